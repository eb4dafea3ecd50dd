/** The text of `select`, taken apart by the compiler: `id,title:name::text,author!inner(*)`. Types only. */

type Space = " " | "\n" | "\r" | "\t";
export type Trim<S extends string> = S extends `${Space}${infer T}`
  ? Trim<T>
  : S extends `${infer T}${Space}`
    ? Trim<T>
    : S;
type Unquoted<S extends string> = S extends `"${infer Name}"` ? Name : S;

/** One member of a list: its words, what its parentheses hold if it has any, and what follows them. */
export interface Member {
  readonly head: string;
  readonly within: readonly Member[] | null;
  readonly tail: string;
}

type Before<S extends string, Stop extends string> = S extends `${infer A}${Stop}${string}` ? A : S;
type Head<S extends string> = Before<Before<Before<S, ",">, "(">, ")">;

/** The members of a list, and the text after the parenthesis that closes it. */
type Members<S extends string, Done extends readonly Member[]> =
  Head<S> extends infer H extends string
    ? S extends `${H}${infer Rest}`
      ? Rest extends `(${infer Inner}`
        ? Members<Inner, []> extends [infer Within extends readonly Member[], infer After extends string]
          ? Head<After> extends infer Tail extends string
            ? After extends `${Tail}${infer More}`
              ? Next<More, [...Done, { head: Trim<H>; within: Within; tail: Trim<Tail> }]>
              : never
            : never
          : never
        : Next<Rest, Trim<H> extends "" ? Done : [...Done, { head: Trim<H>; within: null; tail: "" }]>
      : never
    : never;
type Next<Rest extends string, Done extends readonly Member[]> = Rest extends `,${infer More}`
  ? Members<More, Done>
  : Rest extends `)${infer More}`
    ? [Done, More]
    : [Done, ""];

/** The members of a whole `select`. */
export type Parsed<S extends string> = Members<S, []> extends [infer Done extends readonly Member[], ""] ? Done : never;

/** `alias:name::cast`; null for a part that is not there. */
export interface Words {
  readonly alias: string | null;
  readonly name: string;
  readonly cast: string | null;
}
type Uncast<S extends string> = S extends `${infer Name}::${infer Cast}` ? [Name, Trim<Cast>] : [S, null];
export type Spelled<S extends string> =
  Uncast<S> extends [infer Named extends string, infer Cast extends string | null]
    ? Named extends `${infer Alias}:${infer Name}`
      ? { alias: Unquoted<Trim<Alias>>; name: Trim<Name>; cast: Cast }
      : { alias: null; name: Trim<Named>; cast: Cast }
    : never;

type Key<S extends string> = S extends `>${infer K}` ? Unquoted<Trim<K>> : Unquoted<Trim<S>>;
type LastKey<Path extends string, Last extends string> = Path extends `${infer K}->${infer More}`
  ? LastKey<More, Key<K> extends `${number}` ? Last : Key<K>>
  : Key<Path> extends `${number}`
    ? Last
    : Key<Path>;
/** What a column or a place inside of one is called in the answer: its last key, or its column. */
export type NameOf<S extends string> = S extends `${infer C}->${infer Path}` ? LastKey<Path, Unquoted<C>> : Unquoted<S>;
/** The column of a field. */
export type ColumnOf<S extends string> = S extends `${infer C}->${string}` ? Unquoted<Trim<C>> : Unquoted<S>;

/** `target!hint!inner` of an embedding. */
export interface Target {
  readonly name: string;
  /** never if there is none. */
  readonly hint: string;
  readonly inner: boolean;
}
type Word<S extends string> = S extends "inner" | "left" ? never : S;
export type Aimed<S extends string> = S extends `${infer Name}!${infer Hint}!${infer How}`
  ? { name: Name; hint: Word<Hint> | Word<How>; inner: "inner" extends Hint | How ? true : false }
  : S extends `${infer Name}!${infer Hint}`
    ? { name: Name; hint: Word<Hint>; inner: Hint extends "inner" ? true : false }
    : { name: S; hint: never; inner: false };

/** The aggregate functions. */
type Function = "count" | "sum" | "avg" | "min" | "max";
/** `amount.sum`, or `count` alone; never for what is none. */
export type Aggregate<S extends string> = S extends "count"
  ? { column: null; function: "count" }
  : S extends `${infer C}.${infer F extends Function}`
    ? { column: C; function: F }
    : never;
