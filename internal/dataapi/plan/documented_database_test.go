package plan_test

import "testing"

const documentedSQL = `
	create table public.actors (id int primary key, first_name text, last_name text);
	create table public.directors (id int primary key, first_name text, last_name text);
	create table public.films (id int primary key, director_id int references public.directors, title text, year int, rating numeric(3,1), language text);
	create table public.technical_specs (film_id int primary key references public.films, runtime time, camera text);
	create table public.roles (film_id int references public.films, actor_id int references public.actors, character text, primary key (film_id, actor_id));
	create table public.competitions (id int primary key, name text, year int);
	create table public.nominations (competition_id int references public.competitions, film_id int references public.films, rank int, noted date, primary key (competition_id, film_id, rank));
	create table public.addresses (id int primary key, name text);
	create table public.orders (id int primary key, name text, amount numeric, billing_address_id int, shipping_address_id int, placed date, details json,
		constraint billing foreign key (billing_address_id) references public.addresses,
		constraint shipping foreign key (shipping_address_id) references public.addresses);
	create table public.presidents (id int primary key, last_name text, predecessor_id int unique references public.presidents);
	create function public.predecessor(public.presidents) returns setof public.presidents rows 1 stable language sql as $$ select * from public.presidents where id = $1.predecessor_id $$;
	create function public.successor(public.presidents) returns setof public.presidents rows 1 stable language sql as $$ select * from public.presidents where predecessor_id = $1.id $$;
	create table public.employees (id int primary key, last_name text, supervisor_id int references public.employees);
	create table public.users (id int primary key, username text unique);
	create table public.subscriptions (subscriber_id int references public.users, subscribed_id int references public.users, kind text, primary key (subscriber_id, subscribed_id));
	create function public.subscribers(public.users) returns setof public.users stable language sql as $$ select u.* from public.users u, public.subscriptions s where s.subscriber_id = u.id and s.subscribed_id = $1.id $$;
	create table public.box_office (day date, film_id int not null references public.films, gross numeric(12,2), primary key (day, film_id)) partition by range (day);
	create table public.box_office_01 partition of public.box_office for values from ('2021-01-01') to ('2021-02-01');
	create table public.box_office_02 partition of public.box_office for values from ('2021-02-01') to ('2021-03-01');
	create view public.nominations_view as select f.title as film_title, c.name as competition_name, n.rank, n.film_id as nominations_film_id, f.id as film_id
		from public.nominations n join public.films f on f.id = n.film_id join public.competitions c on c.id = n.competition_id;
	create view public.recent_films as select * from public.films where year > 1900;
	create view public.recent_good_films as select id, title, director_id as by from public.recent_films where rating > 5;
	create materialized view public.counted_films as select id as film, title, director_id from public.films;
	create function public.filmed(public.recent_good_films) returns setof public.box_office stable language sql as $$ select * from public.box_office where film_id = $1.id $$;
	create table public.stages (tenant int, id int, name text, primary key (tenant, id));
	create table public.shows (tenant int, id int, stage_id int, twin_id int, primary key (tenant, id), foreign key (tenant, stage_id) references public.stages, foreign key (tenant, twin_id) references public.shows);
	create table public.artists (tenant int, id int, name text, primary key (tenant, id));
	create table public.lineups (tenant int, show_id int, artist_id int, place int, primary key (tenant, show_id, artist_id),
		foreign key (tenant, show_id) references public.shows, foreign key (tenant, artist_id) references public.artists);
	create table public."odd, (table)" ("a.b" int primary key, "c""d" text, "e,f(g)" jsonb, "order" int, "and" text);
	create table public."Ünï" (id int primary key, "odd.id" int references public."odd, (table)", "->" text, "x::y" text);
	create table public.tallies (id int primary key, film_id int references public.films, count int, films text);

	insert into public.directors values (1, 'Louis', 'Lumière'), (2, 'William', 'Dickson'), (3, 'Georges', 'Méliès'), (4, 'No', 'Films');
	insert into public.films values (1, 1, 'Workers', 1895, 7.1, 'fr'), (2, 2, 'Sound', 1894, 6.2, 'en'), (3, 3, 'Castle', 1896, 6.8, 'fr'), (4, 3, 'Moon', 1902, 8.2, 'fr'), (5, null, 'Lost', 1903, null, null);
	insert into public.technical_specs values (1, '00:00:46', 'Cinématographe'), (4, '00:13:00', 'B');
	insert into public.actors values (1, 'Jehanne', 'd''Alcy'), (2, 'Bleuette', 'Bernon'), (3, 'John', 'Ott');
	insert into public.roles values (3, 1, 'Woman'), (4, 2, 'Moon lady'), (4, 1, 'Star');
	insert into public.competitions values (1, 'Lyon', 1990), (2, 'Paris', 1991);
	insert into public.nominations values (1, 3, 1), (1, 4, 2), (2, 4, 5), (2, 4, 6);
	insert into public.addresses values (1, 'Home'), (2, 'Work');
	insert into public.orders values (1, 'Filter', 10, 1, 2, '2023-01-01', '{"tax": 1}'), (2, 'Coffee', 20, 1, 1, '2023-01-01', '{"tax": 2}'), (3, 'Tea', 5, 2, 1, '2023-01-02', '{"tax": 4}'), (4, 'Gift', 1, null, null, '2023-01-02', null);
	insert into public.presidents values (1, 'Washington', null), (2, 'Adams', 1), (3, 'Jefferson', 2);
	insert into public.employees values (1, 'Taylor', null), (2, 'Johnson', 1), (3, 'Miller', 1), (4, 'Low', 3);
	insert into public.users values (1, 'ann'), (2, 'bob'), (3, 'cy');
	insert into public.subscriptions values (1, 3, 'free'), (2, 3, 'paid'), (3, 1, 'paid');
	insert into public.box_office values ('2021-01-02', 4, 100), ('2021-02-02', 4, 50), ('2021-01-03', 1, 10);
	refresh materialized view public.counted_films;
	insert into public.stages values (1, 1, 'one'), (2, 1, 'two');
	insert into public.shows values (1, 1, 1, null), (1, 2, 1, 1), (2, 1, 1, null);
	insert into public.artists values (1, 1, 'A1'), (1, 2, 'A2'), (2, 1, 'B1');
	insert into public.lineups values (1, 1, 1, 1), (1, 1, 2, 2), (2, 1, 1, 1);
	insert into public."odd, (table)" values (1, 'q"', '{"k.1": [1, {"z": "deep"}]}', 7, 'x'), (2, 'r', null, 8, 'y');
	insert into public."Ünï" values (1, 1, 'arrow', 'cast'), (2, 2, null, null);
	insert into public.tallies values (1, 1, 5, 'text'), (2, 1, 6, 'more'), (3, 4, 7, 'x');`

// TestDocumentedEmbeddings asks for what PostgREST's documentation shows.
func TestDocumentedEmbeddings(t *testing.T) {
	t.Parallel()
	openWith(t, documentedSQL).reads(t, []reading{
		{"films", `select=title,director:directors(id,last_name)&order=id&limit=2`, `[{"title":"Workers","director":{"id":1,"last_name":"Lumière"}},{"title":"Sound","director":{"id":2,"last_name":"Dickson"}}]`},
		{"actors", `select=first_name,films(title)&order=id&films.order=id`, `[{"first_name":"Jehanne","films":[{"title":"Castle"},{"title":"Moon"}]},{"first_name":"Bleuette","films":[{"title":"Moon"}]},{"first_name":"John","films":[]}]`},
		{"technical_specs", `select=camera,films(title)&order=film_id`, `[{"camera":"Cinématographe","films":{"title":"Workers"}},{"camera":"B","films":{"title":"Moon"}}]`},
		{"orders", `select=*,addresses(*)`, ``},
		{"orders", `select=name,billing_address:addresses!billing(name),shipping_address:addresses!shipping(name)&id=eq.1`, `[{"name":"Filter","billing_address":{"name":"Home"},"shipping_address":{"name":"Work"}}]`},
		{"addresses", `select=name,billing_orders:orders!billing(name),shipping(name)&id=eq.1&billing_orders.order=id&shipping.order=id`, `[{"name":"Home","billing_orders":[{"name":"Filter"},{"name":"Coffee"}],"shipping":[{"name":"Coffee"},{"name":"Tea"}]}]`},
		{"presidents", `select=last_name,predecessor(last_name),successor(last_name)&id=eq.2`, `[{"last_name":"Adams","predecessor":{"last_name":"Washington"},"successor":{"last_name":"Jefferson"}}]`},
		{"users", `select=username,subscribers(username)&id=eq.3&subscribers.order=id`, `[{"username":"cy","subscribers":[{"username":"ann"},{"username":"bob"}]}]`},
		{"box_office", `select=day,gross,films(title)&gross=gte.100`, `[{"day":"2021-01-02","gross":100.00,"films":{"title":"Moon"}}]`},
		{"films", `select=title,box_office(day)&id=eq.4&box_office.order=day`, `[{"title":"Moon","box_office":[{"day":"2021-01-02"},{"day":"2021-02-02"}]}]`},
		{"films", `select=box_office_01(day)`, ``},
		{"nominations_view", `select=film_title,films(language),roles(character),actors(last_name,first_name)&rank=eq.5&roles.order=character&actors.order=id`, `[{"film_title":"Moon","films":{"language":"fr"},"roles":[{"character":"Moon lady"},{"character":"Star"}],"actors":[{"last_name":"d'Alcy","first_name":"Jehanne"},{"last_name":"Bernon","first_name":"Bleuette"}]}]`},
		{"recent_good_films", `select=title,by(last_name),directors(first_name),filmed(day),roles(character),technical_specs(camera)&filmed.order=day&roles.order=character`, `[{"title":"Moon","by":{"last_name":"Méliès"},"directors":{"first_name":"Georges"},"filmed":[{"day":"2021-01-02"},{"day":"2021-02-02"}],"roles":[{"character":"Moon lady"},{"character":"Star"}],"technical_specs":{"camera":"B"}}]`},
		{"counted_films", `select=title,directors(last_name),actors(first_name)&film=eq.4&actors.order=id`, `[{"title":"Moon","directors":{"last_name":"Méliès"},"actors":[{"first_name":"Jehanne"},{"first_name":"Bleuette"}]}]`},
		{"directors", `select=last_name,counted_films(title)&id=eq.3&counted_films.order=title`, `[{"last_name":"Méliès","counted_films":[{"title":"Castle"},{"title":"Moon"}]}]`},
		{"films", `select=title,90_comps:competitions(name),91_comps:competitions(name)&90_comps.year=eq.1990&91_comps.year=eq.1991&id=eq.3`, `[{"title":"Castle","90_comps":[{"name":"Lyon"}],"91_comps":[]}]`},
		{"films", `select=title,roles(character,actors(first_name))&roles.actors.order=last_name&roles.order=character&roles.actors.first_name=like.*Jeh*&id=eq.4`, `[{"title":"Moon","roles":[{"character":"Moon lady","actors":null},{"character":"Star","actors":{"first_name":"Jehanne"}}]}]`},
		{"films", `select=title,roles(character)&roles.or=(character.eq.Star,character.eq.Woman)&id=eq.4`, `[{"title":"Moon","roles":[{"character":"Star"}]}]`},
		{"films", `select=title,actors!inner(first_name)&actors.first_name=eq.Bleuette`, `[{"title":"Moon","actors":[{"first_name":"Bleuette"}]}]`},
		{"films", `select=title,nominations()&nominations=is.null&order=id`, `[{"title":"Workers"},{"title":"Sound"},{"title":"Lost"}]`},
		{"films", `select=title,actors(),directors()&or=(actors.is.null,directors.is.null)&order=id`, `[{"title":"Workers"},{"title":"Sound"},{"title":"Lost"}]`},
		{"films", `select=title,actors(),directors()&directors.first_name=eq.Georges&actors.first_name=eq.Bleuette&or=(directors.not.is.null,actors.not.is.null)&order=id`, `[{"title":"Castle"},{"title":"Moon"}]`},
		{"films", `select=title,directors(last_name)&order=directors(last_name).desc.nullslast,id&limit=2`, `[{"title":"Castle","directors":{"last_name":"Méliès"}},{"title":"Moon","directors":{"last_name":"Méliès"}}]`},
		{"films", `select=title,actors:roles(character,...actors(first_name,last_name))&id=eq.4&actors.order=character`, `[{"title":"Moon","actors":[{"character":"Moon lady","first_name":"Bleuette","last_name":"Bernon"},{"character":"Star","first_name":"Jehanne","last_name":"d'Alcy"}]}]`},
		{"orders", `select=amount.sum(),addresses!billing(name)&billing_address_id=eq.1`, `[{"sum":30,"addresses":{"name":"Home"}}]`},
		{"orders", `select=details->tax::numeric.sum()`, `[{"sum":7}]`},
		{"addresses", `select=name,billing(amount.sum(),placed)&order=id&billing.order=placed`, `[{"name":"Home","billing":[{"sum":30,"placed":"2023-01-01"}]},{"name":"Work","billing":[{"sum":5,"placed":"2023-01-02"}]}]`},
		{"orders", `select=placed,...addresses!billing(name.max(),lowest:name.min())&order=placed`, `[{"placed":"2023-01-01","max":"Home","lowest":"Home"},{"placed":"2023-01-02","max":"Work","lowest":"Work"}]`},
	})
}

// TestRelationsOfATableToItself asks for both ends of a foreign key within a table: its column leads to the one row, and the table to the others.
func TestRelationsOfATableToItself(t *testing.T) {
	t.Parallel()
	openWith(t, documentedSQL).reads(t, []reading{
		{"employees", `select=last_name,boss:supervisor_id(last_name)&id=eq.3`, `[{"last_name":"Miller","boss":{"last_name":"Taylor"}}]`},
		{"employees", `select=last_name,employees_supervisor_id_fkey(last_name)&id=eq.3`, `[{"last_name":"Miller","employees_supervisor_id_fkey":{"last_name":"Taylor"}}]`},
		{"employees", `select=last_name,employees(last_name)&id=eq.1&employees.order=id`, `[{"last_name":"Taylor","employees":[{"last_name":"Johnson"},{"last_name":"Miller"}]}]`},
		{"employees", `select=last_name,reports:employees!supervisor_id(last_name,employees!employees_supervisor_id_fkey(last_name))&id=eq.1&reports.order=id`, `[{"last_name":"Taylor","reports":[{"last_name":"Johnson","employees":[]},{"last_name":"Miller","employees":[{"last_name":"Low"}]}]}]`},
		{"presidents", `select=before:predecessor_id(last_name),after:presidents!predecessor_id(last_name)&id=eq.2`, `[{"before":{"last_name":"Washington"},"after":{"last_name":"Jefferson"}}]`},
		{"shows", `select=id,shows(id)&tenant=eq.1&order=id`, `[{"id":1,"shows":[{"id":2}]},{"id":2,"shows":[]}]`},
		{"shows", `select=id,twin:shows_tenant_twin_id_fkey(id)&tenant=eq.1&order=id`, `[{"id":1,"twin":null},{"id":2,"twin":{"id":1}}]`},
		{"users", `select=users!subscriptions(username)`, ``},
		{"users", `select=username,users!subscriptions_subscriber_id_fkey(username)&id=eq.3`, `[{"username":"cy","users":[{"username":"ann"}]}]`},
		{"users", `select=username,users!subscriptions_subscribed_id_fkey(username)&id=eq.3&users.order=id`, `[{"username":"cy","users":[{"username":"ann"},{"username":"bob"}]}]`},
	})
}

// TestNamesOfEmbeddings asks for what has the name of something else, and for names in quotes.
func TestNamesOfEmbeddings(t *testing.T) {
	t.Parallel()
	openWith(t, documentedSQL).reads(t, []reading{
		{"tallies", `select=id,film_id(title)&film_id=eq.4`, `[{"id":3,"film_id":{"title":"Moon"}}]`},
		{"tallies", `select=id,film_id(title)&or=(film_id.in.(4,5),film_id.is.null)`, `[{"id":3,"film_id":{"title":"Moon"}}]`},
		{"tallies", `select=id,films,films(year)&films=not.like.t*&order=id&limit=1`, `[{"id":2,"films":{"year":1895}}]`},
		{"films", `select=title,year:directors()&year=is.null`, `[{"title":"Lost"}]`},
		{"films", `select=title,year:directors()&year=eq.1896`, `[{"title":"Castle"}]`},
		{"films", `select=title,d:directors()&d=eq.1`, ``},
		{"films", `select=title,d:directors()&d=is.true`, ``},
		{"films", `select=id:title,title:id&order=id&limit=1`, `[{"id":"Workers","title":1}]`},
		{"Ünï", `select=id,"odd, (table)"("a.b","c\"d","e,f(g)"->"k.1"->1->>z)&id=eq.1`, `[{"id":1,"odd, (table)":{"a.b":1,"c\"d":"q\"","z":"deep"}}]`},
		{"Ünï", `select=id,"a.b(c)":"odd, (table)"!"odd.id"("c\"d")&"a.b(c)"."c\"d"=eq.r&order=id`, `[{"id":1,"a.b(c)":null},{"id":2,"a.b(c)":{"c\"d":"r"}}]`},
		{"Ünï", `select=id,"a.b(c)":"odd, (table)"()&"a.b(c)".or=("order".eq.7,"and".eq."z")&or=("a.b(c)".is.null,id.eq.7)&order="a.b(c)"("order").desc`, `[{"id":2}]`},
		{"Ünï", `select=id,..."odd, (table)"(order,"x,y":"e,f(g)"->"k.1"->0::int)&order=id`, `[{"id":1,"order":7,"x,y":1},{"id":2,"order":8,"x,y":null}]`},
		{"odd, (table)", `select="a.b",...Ünï("->","x::y")&"order"=eq.7`, `[{"a.b":1,"->":["arrow"],"x::y":["cast"]}]`},
	})
}

// TestSpreadsAndCounts asks for rows whose members take another place, and how many there are.
func TestSpreadsAndCounts(t *testing.T) {
	t.Parallel()
	openWith(t, documentedSQL).reads(t, []reading{
		{"films", `select=title,...roles()&order=id`, `[{"title":"Workers"},{"title":"Sound"},{"title":"Castle"},{"title":"Moon"},{"title":"Lost"}]`},
		{"films", `select=title,...roles!inner(actors())&order=id`, `[{"title":"Castle"},{"title":"Moon"}]`},
		{"films", `select=title,...roles(nope())`, ``},
		{"films", `select=title,...actors(names:first_name::varchar(2),last_name)&id=eq.4&actors.order=first_name&actors.limit=1`, `[{"title":"Moon","names":["Bl"],"last_name":["Bernon"]}]`},
		{"films", `select=title,...directors(...films(sisters:title))&id=eq.3&directors.films.order=id`, `[{"title":"Castle","sisters":["Castle","Moon"]}]`},
		{"directors", `select=last_name,...films(title,...technical_specs(camera))&id=eq.3&films.order=id`, `[{"last_name":"Méliès","title":["Castle","Moon"],"camera":[null,"B"]}]`},
		{"directors", `select=...films(...roles(character))&id=gte.3&order=id&films.order=id&films.roles.order=character`, `[{"character":[["Woman"],["Moon lady","Star"]]},{"character":[]}]`},
		{"lineups", `select=place,...shows(show:id,...stages(stage:name)),...artists(name)&order=tenant,show_id,place`, `[{"place":1,"show":1,"stage":"one","name":"A1"},{"place":2,"show":1,"stage":"one","name":"A2"},{"place":1,"show":1,"stage":"two","name":"B1"}]`},
		{"stages", `select=name,shows!inner(id,lineups!inner(artists!inner(name)))&shows.lineups.artists.name=eq.A2`, `[{"name":"one","shows":[{"id":1,"lineups":[{"artists":{"name":"A2"}}]}]}]`},
		{"directors", `select=last_name,films(title,roles(character))&films.limit=1&films.order=id.desc&films.roles.limit=1&films.roles.order=character.desc&id=eq.3`, `[{"last_name":"Méliès","films":[{"title":"Moon","roles":[{"character":"Star"}]}]}]`},
		{"films", `select=title,roles!inner(character)&roles.offset=1`, `[{"title":"Moon","roles":[{"character":"Star"}]}]`},
		{"orders", `select=count`, `[{"count":4}]`},
		{"films", `select=language,n:count&order=language.nullslast`, `[{"language":"en","n":1},{"language":"fr","n":3},{"language":null,"n":1}]`},
		{"addresses", `select=name,billing(count)&order=id`, `[{"name":"Home","billing":[{"count":2}]},{"name":"Work","billing":[{"count":1}]}]`},
		{"films", `select=title,...roles(count)&id=eq.4`, `[{"title":"Moon","count":[2]}]`},
		{"roles", `select=part:count,...films(count)`, `[{"part":3,"count":3}]`},
		{"tallies", `select=count&order=id`, `[{"count":5},{"count":6},{"count":7}]`},
		{"tallies", `select=count(),count.sum()`, `[{"count":3,"sum":18}]`},
		{"films", `select=count::int`, ``},
		{"films", `select=count->a`, ``},
		{"roles", `select=count(),...films(year.min(),...directors(last_name))`, `[{"count":3,"min":1896,"last_name":"Méliès"}]`},
		{"films", `select=count(),year.max(),...directors(last_name,director:count())&director_id=eq.3`, `[{"count":2,"max":1902,"last_name":"Méliès","director":2}]`},
	})
}
