/** Tables to read from: authors, their books, and what belongs to those. Everybody may read, nobody may write. */

export const LIBRARY = `
  create table authors (
    id int primary key, name text not null, born date, active boolean, rating numeric,
    tags text[] not null, settings jsonb not null, years int4range, mentor_id int references authors
  );
  create table books (
    id int primary key, title text not null, price numeric, words tsvector,
    author_id int not null constraint books_author references authors,
    editor_id int constraint books_editor references authors
  );
  create table genres (id int primary key, name text not null);
  create table book_genres (book_id int references books, genre_id int references genres, primary key (book_id, genre_id));
  create table covers (book_id int primary key references books, color text not null);
  create table orphans (id int primary key);
  insert into authors values
    (1, 'Ada', '1815-12-10', true, 4.5, '{math,code}', '{"theme":"dark","n":1,"list":[10,20]}', '[1815,1853)', null),
    (2, 'Grace', '1906-12-09', false, 3, '{navy,code}', '{"theme":"light","n":2}', '[1906,1993)', 1),
    (3, 'Edsger', '1930-05-11', null, null, '{}', '{}', null, 2),
    (4, E'O"Neil, (B)\\\\ {x}', null, true, 1, '{"a b","c,d","e\\"f"}', '{"theme":"dark, \\"(deep)"}', '[1993,2000)', null);
  insert into books values
    (1, 'Notes', 5, to_tsvector('english', 'notes on engines'), 1, null),
    (2, 'Engines, part (1)', 12.5, to_tsvector('english', 'the engine that computes'), 1, 2),
    (3, 'Compilers', 9, to_tsvector('english', 'a compiler for people'), 2, 1),
    (4, 'Structured', null, to_tsvector('english', 'programming with structure'), 3, 2);
  insert into genres values (1, 'math'), (2, 'code'), (3, 'unused');
  insert into book_genres values (1, 1), (2, 1), (2, 2), (3, 2);
  insert into covers values (1, 'red'), (3, 'blue');
  create view cheap_books with (security_invoker = true) as select id, title, price, author_id from books where price < 10;
  create function shout(books) returns text stable language sql as $$ select upper($1.title) $$;
  create function add_up(a int, b int default 10) returns int immutable language sql as $$ select a + b $$;
  create function total(variadic n int[]) returns bigint immutable language sql as $$ select sum(x) from unnest(n) x $$;
  create function same(doc jsonb, words text[]) returns jsonb immutable language sql
    as $$ select jsonb_build_object('doc', doc, 'words', to_jsonb(words)) $$;
  create function books_below(price_limit numeric) returns setof books stable language sql
    set search_path = dialect_reads as $$ select * from books where price < price_limit order by id $$;
  create function one_book(book int) returns books stable language sql
    set search_path = dialect_reads as $$ select * from books where id = book $$;
  create function words_of(line text) returns setof text immutable language sql as $$ select regexp_split_to_table(line, ' ') $$;
  create function forget() returns void volatile language sql as $$ $$;
  create function refuse() returns int volatile language plpgsql
    as $$ begin raise exception 'no' using detail = 'because', hint = 'ask again'; end $$;
  create function teapot() returns int volatile language plpgsql as $$ begin raise sqlstate 'PT418' using message = 'tea'; end $$;
  do $$
  declare name text;
  begin
    foreach name in array array['authors', 'books', 'genres', 'book_genres', 'covers', 'orphans'] loop
      execute format('alter table %I enable row level security', name);
      execute format('create policy read on %I for select using (true)', name);
    end loop;
  end $$`;
