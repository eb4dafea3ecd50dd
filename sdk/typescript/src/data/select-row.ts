/** What `select` yields: the members of its text, looked up in the `Database`. Types only. */

import type { Aggregate, Aimed, ColumnOf, Member, NameOf, Parsed, Spelled, Target, Trim } from "./select-text.js";
import type {
  FunctionName,
  FunctionOf,
  IsAny,
  Loose,
  Relationship,
  Simplify,
  Source,
  TableName,
  TableSource,
} from "./types.js";

interface Casts {
  text: string;
  varchar: string;
  char: string;
  bpchar: string;
  uuid: string;
  date: string;
  time: string;
  timetz: string;
  timestamp: string;
  timestamptz: string;
  interval: string;
  int: number;
  int2: number;
  int4: number;
  int8: number;
  integer: number;
  smallint: number;
  bigint: number;
  real: number;
  float: number;
  float4: number;
  float8: number;
  numeric: number;
  decimal: number;
  bool: boolean;
  boolean: boolean;
}
type CastTo<C extends string> = C extends `${infer E}[]` ? CastTo<E>[] : C extends keyof Casts ? Casts[C] : Loose;
type NullOf<T> = IsAny<T> extends true ? never : Extract<T, null>;

type Read<R, Name extends string> = Name extends `${string}->>${string}`
  ? string | null
  : Name extends `${string}->${string}`
    ? Loose
    : ColumnOf<Name> extends keyof R
      ? R[ColumnOf<Name>]
      : unknown;
type Casted<T, Cast> = Cast extends string ? CastTo<Cast> | NullOf<T> : T;
type Named<Alias, Name extends string, T> = { [Key in Alias extends string ? Alias : Name]: T };

type Aggregated<R, A, Cast> = A extends { column: infer C; function: infer F }
  ? F extends "count"
    ? number
    : Casted<
        F extends "sum" | "avg" ? number | null : C extends string ? Read<R, C> | null : never,
        Cast extends `::${infer Type}` ? Trim<Type> : null
      >
  : never;

/** How a row relates to others: which table they are in, how many there are, and whether there may be none. */
interface Link {
  table: unknown;
  many: boolean;
  optional: boolean;
}

type Hinted<R, Hint> = [Hint] extends [never]
  ? R
  : R extends { foreignKeyName: infer Key; columns: readonly (infer C)[] }
    ? Hint extends Key | C
      ? R
      : never
    : never;
type To<R, Name> = R extends { referencedRelation: Name } ? R : never;
type By<R, Name> = R extends { foreignKeyName: infer Key; columns: readonly (infer C)[] }
  ? Name extends Key | C
    ? R
    : never
  : never;

/** Whether a target is the table itself, where a foreign key leads in two directions. */
type Own<Src extends Source, T extends Target> = T["name"] extends Src["name"] ? true : false;
/**
 * The foreign key of this row that a target stands for: by its table, or by its own name or column. Within one table it
 * is the latter alone.
 */
type Forward<Src extends Source, T extends Target> =
  | (Own<Src, T> extends true ? never : Hinted<To<Relationship<Src["schema"], Src["name"]>, T["name"]>, T["hint"]>)
  | By<Relationship<Src["schema"], Src["name"]>, T["name"]>;
type MayBeNull<R, Key> = Key extends { columns: readonly (infer C)[] }
  ? true extends (C extends keyof R ? (null extends R[C] ? true : false) : true)
    ? true
    : false
  : true;
/** The foreign keys of a target that lead here. Within one table the key has to be named. */
type Backward<Src extends Source, T extends Target> = [Own<Src, T>, T["hint"]] extends [true, never]
  ? never
  : Hinted<To<Relationship<Src["schema"], T["name"]>, Src["name"]>, T["hint"]>;
type Computed<Src extends Source, Name> =
  Name extends FunctionName<Src["schema"]>
    ? FunctionOf<Src["schema"], Name> extends infer F
      ? F extends { SetofOptions: { from: Src["name"]; to: infer Table; isOneToOne: infer One } }
        ? { table: Table; many: One extends true ? false : true; optional: true }
        : never
      : never
    : never;
type Junction<Src extends Source, Name> = Name extends Src["name"] ? never : Between<Src, Name>;
type Between<Src extends Source, Name> = {
  [J in TableName<Src["schema"]>]: [To<Relationship<Src["schema"], J>, Src["name"]>] extends [never]
    ? never
    : [To<Relationship<Src["schema"], J>, Name>] extends [never]
      ? never
      : J;
}[TableName<Src["schema"]>];

type Links<Src extends Source, T extends Target> = [Forward<Src, T>] extends [never]
  ? [Backward<Src, T>] extends [never]
    ? [Computed<Src, T["name"]>] extends [never]
      ? [Junction<Src, T["name"]>] extends [never]
        ? never
        : { table: T["name"]; many: true; optional: false }
      : Computed<Src, T["name"]>
    : Backward<Src, T> extends { isOneToOne: true }
      ? { table: T["name"]; many: false; optional: true }
      : { table: T["name"]; many: true; optional: false }
  : {
      table: Forward<Src, T> extends { referencedRelation: infer Table } ? Table : never;
      many: false;
      optional: MayBeNull<Src["row"], Forward<Src, T>>;
    };

type Maybe<T, L extends Link, Inner> = L["optional"] extends true ? (Inner extends true ? T : T | null) : T;
type Child<Src extends Source, L extends Link, Within extends readonly Member[]> = Yielded<
  TableSource<Src["schema"], L["table"]>,
  Within
>;

type Embedded<Src extends Source, L, Inner, Within extends readonly Member[]> = [L] extends [never]
  ? Loose
  : L extends Link
    ? L["many"] extends true
      ? Child<Src, L, Within>[]
      : Maybe<Child<Src, L, Within>, L, Inner>
    : Loose;
type Spread<Src extends Source, L, Inner, Within extends readonly Member[]> = [L] extends [never]
  ? Loose
  : L extends Link
    ? {
        [Key in keyof Child<Src, L, Within>]: L["many"] extends true
          ? Child<Src, L, Within>[Key][]
          : Maybe<Child<Src, L, Within>[Key], L, Inner>;
      }
    : Loose;

type Plain<R, W> = W extends { alias: infer Alias; name: infer Name extends string; cast: infer Cast }
  ? Named<Alias, NameOf<Name>, Casted<Read<R, Name>, Cast>>
  : never;
/** A cast before an aggregate function is followed by the function's name: `amount::numeric.sum()`. */
type AggregateOf<Name extends string, Cast> = Cast extends `${string}.${string}`
  ? Aggregate<`${Name}.${Cast extends `${string}.${infer F}` ? F : never}`>
  : Aggregate<Name>;
type Parenthesized<Src extends Source, W, M extends Member> = W extends {
  alias: infer Alias;
  name: infer Name extends string;
  cast: infer Cast;
}
  ? M["within"] extends readonly []
    ? [AggregateOf<Name, Cast>] extends [never]
      ? unknown
      : Named<Alias, AggregateOf<Name, Cast>["function"], Aggregated<Src["row"], AggregateOf<Name, Cast>, M["tail"]>>
    : M["within"] extends readonly Member[]
      ? Named<Alias, Aimed<Name>["name"], Embedded<Src, Links<Src, Aimed<Name>>, Aimed<Name>["inner"], M["within"]>>
      : never
  : never;

type Field<Src extends Source, M extends Member> = M["head"] extends "*"
  ? Src["row"]
  : M["within"] extends null
    ? Plain<Src["row"], Spelled<M["head"]>>
    : M["head"] extends `...${infer Rest}`
      ? Spread<
          Src,
          Links<Src, Aimed<Spelled<Rest>["name"]>>,
          Aimed<Spelled<Rest>["name"]>["inner"],
          M["within"] extends readonly Member[] ? M["within"] : []
        >
      : Parenthesized<Src, Spelled<M["head"]>, M>;

type Fields<Src extends Source, List extends readonly Member[], Done = unknown> = List extends readonly [
  infer M extends Member,
  ...infer Rest extends readonly Member[],
]
  ? Fields<Src, Rest, Done & Field<Src, M>>
  : Simplify<Done>;

type Yielded<Src extends Source, List extends readonly Member[]> =
  IsAny<Src["row"]> extends true
    ? Loose
    : List extends readonly [{ head: "*"; within: null }]
      ? Src["row"]
      : Fields<Src, List>;

/**
 * The row that `select(columns)` yields. What the `Database` does not know is `unknown` for columns and `any` for
 * embeddings; everything is `any` where the text is not known when compiling.
 */
export type Selected<Src extends Source, Columns extends string> =
  IsAny<Src["row"]> extends true
    ? Loose
    : string extends Columns
      ? Loose
      : [Parsed<Columns>] extends [never]
        ? Loose
        : Yielded<Src, Parsed<Columns>>;
