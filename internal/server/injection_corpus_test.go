package server_test

// injections are of each class that is known: ends of strings, of names and of
// statements, comments, dollar quotes, escapes, encodings, casts, operators,
// paths, and what other parsers on the way could make of them.
var injections = []string{
	`'`, `"`, `''`, `""`, `\`, `\'`, `\"`, `'"`, "`", `;`, `--`, `/*`, `*/`, `$$`, `$1`, `$a$`, `%`, `_`, `*`, `)`, `(`, `]`, `}`, `,`, `.`, `:`, `::`, `->`, `?`, `@`, `|`, `null`, `NaN`, `\N`, `\.`,
	`' or '1'='1`, `' or 1=1 --`, `') or ('1'='1`, `1 or 1=1`, `1) or (1=1`, `" or "1"="1`, `' and 1=cast((select song from cage.bird) as int) and '1'='1`,
	`'; insert into cage.touched values ('x'); --`, `"; select cage.touch(); --`, `1; select cage.touch()`, `'||cage.touch()||'`, `' union select song from cage.bird --`,
	`id from public.items; select cage.touch() --`, `cage.touch()`, `(select cage.touch())`, `(select song from cage.bird)`, `cage.bird(song)`, `cage.bird`, `"cage"."bird"`, `..cage.bird(*)`,
	`x" from cage.bird; --`, `x" as y, cage.touch() as "z`, `x')::text, cage.touch()::text, ('`, `'::regclass`, `int4; select cage.touch()`, `int4)), cage.touch(), ((1`, `regclass`, `text::regclass`,
	`pg_sleep(5)`, `'; select pg_sleep(5); --`, `1-(select 1 from pg_sleep(5))`, `pg_read_file('/etc/passwd')`, `$$;select cage.touch();$$`, `$a$; select cage.touch(); $a$`, `'; do $x$ begin perform cage.touch(); end $x$; --`,
	`U&'\0027; select cage.touch() --`, `u&"\0022; select cage.touch() --"`, `e'\'; select cage.touch() --'`, `E'\x27'`, `x'27'`, `chr(39)`, `'/**/or/**/1=1--`, `/*!50000 or */`, "'\nor\n1=1\n--", "'\tor\t1=1--", "'\x0bor 1=1", "'\u00a0or\u00a01=1",
	`%27%20or%201=1`, `%2527`, "\xc0\xa7 or 1=1", "\xbf\x27 or 1=1", "\xf0\x9f\x98", "a\x00' or 1=1", "\uff07 or 1=1", "\u2019 or 1=1", "\u02bc or 1=1", "\u202e'", "\ufeff'", "\u0131d", "ID\u017f",
	`{"a":"'"}`, `{"a'; select cage.touch(); --":1}`, `["'"]`, `$.a ? (@ == "'")`, `$[*] ? (@.x like_regex ".*")`, `{a,"b}`, `{"a',cage.touch()}`, `a'->>'b`, `a->>'b' = cage.touch()::text`,
	`eq.'`, `in.(1,2);select cage.touch()`, `in.("a\",\"b")`, `eq(any).{"'}`, `fts('; select cage.touch()).x`, `fts(english').x`, `not.not.eq.1`, `is.null;`, `cs.{"'}`, `like.*'*`, `match.(.*)+'`,
	`id.desc;select cage.touch()`, `id.desc nulls first, cage.touch()`, `id,cage.touch()`, `1,2,3`, `-1`, `1e9`, `0x27`, `9223372036854775808`, `1;`, `0-0;`, `UTC'; select cage.touch(); --`, `UTC`, `set_config('role','postgres',false)`,
	`current_setting('x')`, `count()`, `id.sum()`, `id.cage.touch()`, `id.max();`, `id::cage.bird`, `a:b:c`, `a:"b":c`, `parts!parts_item_fkey(*)`, `parts!"'"(*)`, `...parts(title)`, `cardinality.eq.1`, `or(id.eq.1`, `and(id.eq.1,or(id.eq.2))`,
	`{{7*7}}`, `${jndi:x}`, `../../etc/passwd`, "a\r\nX-Evil: 1", `<script>`, `|| cage.touch() ||`, `@@`, `&&`, `<->`, `~*`, `OPERATOR(pg_catalog.+)`, `copy cage.touched from program 'x'`, `'; reset role; select cage.touch(); --`, `'; set role service_role; --`, `; listen x`,
}

// some are a few that tell, which come more often.
var some = []string{`'; select cage.touch(); --`, `"; select cage.touch(); --`, `\'); select pg_sleep(5)/*`, `$$ ' " \ %27`, `{"a'": "\""}`, "\xc0\xa7'", "x\x00'"}

// Where the words of requests for data stand: %s is an injection, and %q one in
// the quotes of such requests.
var places = []string{
	"select=%s", "select=id,%s", "select=x:%s", "select=%q:id", "select=%q", "select=id::%s", "select=id::%q", "select=doc->%s", "select=doc->>%q", "select=doc->%q->>a",
	"select=id,parts(%s)", "select=id,parts!%s(*)", "select=id,parts!%q(*)", "select=%q:parts(id)", "select=id,parts(id)&parts.order=%s", "select=id,parts(id)&parts.title=eq.%s", "select=id,parts(id)&parts.%s=eq.1",
	"select=id.%s", "select=...%s(id)", "order=%s", "order=%q.desc", "order=id.%s", "order=doc->>%q", "order=parts(%s)", "limit=%s", "offset=%s", "columns=%s", "columns=%q", "on_conflict=%s", "on_conflict=%q",
	"%s=eq.1", "%q=eq.1", "title=%s", "title=eq.%s", "title=not.%s", "title=like.%s", "title=ilike.%s", "title=match.%s", "title=in.(%s)", "title=in.(%q)", "id=in.(%s)", "id=eq.%s", "id=is.%s", "title=eq(any).%s", "title=eq(all).{%q}",
	"title=fts.%s", "title=fts(%s).x", "title=fts(%q).x", "title=wfts.%s", "tags=cs.%s", "tags=cs.{%q}", "tags=ov.%s", "doc=cs.%s", "doc->>%s=eq.1", "doc->%q=eq.1", "at=gt.%s",
	"or=%s", "or=(%s)", "or=(title.eq.%s)", "or=(title.eq.%q)", "or=(%q.eq.1)", "not.or=(title.%s)", "and=(or(%s),id.eq.1)", "on_conflict=id&columns=id,%s",
}
