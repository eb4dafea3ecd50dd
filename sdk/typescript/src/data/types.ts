/**
 * Types of tables, functions and results. A `Database` type in the shape that Supabase's generators write makes
 * everything typed; without one, rows are `any`.
 */

import type { FluxbaseError } from "../core/errors.js";

// biome-ignore lint/suspicious/noExplicitAny: the loose default, as in supabase-js
export type Loose = any;

/** Whether a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** An intersection as one object. */
export type Simplify<T> = { [Key in keyof T]: T[Key] } & unknown;

type Member<T, Name> = Name extends keyof T ? T[Name] : never;
type Part<Schema, Name extends string> = Schema extends Readonly<Record<Name, infer P>> ? P : never;

/** The schemas of a `Database`. */
export type SchemaName<DB> = IsAny<DB> extends true ? string : Exclude<keyof DB & string, `__${string}`>;
/** One schema of a `Database`: its `Tables`, `Views` and `Functions`. */
export type Schema<DB, Name extends string> = IsAny<DB> extends true ? Loose : Name extends keyof DB ? DB[Name] : Loose;

type Relation<S, Name> = Member<Part<S, "Tables">, Name> | Member<Part<S, "Views">, Name>;

/** Names of the tables and views of a schema; any string without a `Database`. */
export type RelationName<S> =
  IsAny<S> extends true ? string : (keyof Part<S, "Tables"> | keyof Part<S, "Views">) & string;

/** A row as read. */
export type Row<S, Name> = IsAny<S> extends true ? Loose : Relation<S, Name> extends { Row: infer R } ? R : Loose;
/** A row as inserted. */
export type Insert<S, Name> = IsAny<S> extends true ? Loose : Relation<S, Name> extends { Insert: infer I } ? I : never;
/** Columns as updated. */
export type Update<S, Name> = IsAny<S> extends true ? Loose : Relation<S, Name> extends { Update: infer U } ? U : never;
/** The foreign keys of a table or view, as a union. */
export type Relationship<S, Name> =
  Relation<S, Name> extends { Relationships: infer List extends readonly unknown[] } ? List[number] : never;
/** Names of the tables alone. */
export type TableName<S> = keyof Part<S, "Tables"> & string;

/** Names of the functions of a schema; any string without a `Database`. */
export type FunctionName<S> = IsAny<S> extends true ? string : keyof Part<S, "Functions"> & string;
/** A function; a union where it has overloads. */
export type FunctionOf<S, Name> = Member<Part<S, "Functions">, Name>;
/** The arguments of a function. */
export type Args<S, Name> =
  IsAny<S> extends true ? Readonly<Record<string, unknown>> : FunctionOf<S, Name> extends { Args: infer A } ? A : Loose;
type Overload<Fn, Given> = Fn extends { Args: infer A } ? ([Given] extends [A] ? Fn : never) : never;
type Chosen<Fn, Given> = [Overload<Fn, Given>] extends [never] ? Fn : Overload<Fn, Given>;
/** What a function returns when it is given these arguments. */
export type Returns<S, Name, Given> =
  IsAny<S> extends true
    ? Loose
    : Chosen<FunctionOf<S, Name>, Given> extends { Returns: infer R }
      ? R extends undefined
        ? null
        : R
      : Loose;

/** What filters, order and embeddings are about: a row, and the relation and schema that it is of. */
export interface Source {
  readonly schema: unknown;
  readonly name: unknown;
  readonly row: unknown;
}
/** A table or view as a source. */
export interface TableSource<S, Name> {
  readonly schema: S;
  readonly name: Name;
  readonly row: Row<S, Name>;
}
/** The rows of a function as a source. */
export interface CallSource<S, Name, Returned> {
  readonly schema: S;
  readonly name: IsAny<S> extends true
    ? never
    : FunctionOf<S, Name> extends { SetofOptions: { to: infer To } }
      ? To
      : never;
  readonly row: Returned extends readonly (infer R)[] ? R : Returned;
}

/** A column of the row, a path into one (`settings->>theme`), or a column of an embedded one (`author.name`). */
export type Column<R> = IsAny<R> extends true ? string : (keyof R & string) | (string & {});
/** What a column may be compared with; null is asked for with `is`. */
export type Value<R, C> =
  IsAny<R> extends true ? FilterValue : C extends keyof R ? NonNullable<R[C]> & FilterValue : FilterValue;
/** A value in a filter. Dates are sent as ISO 8601, objects as JSON. */
export type FilterValue = string | number | bigint | boolean | Date | object;

/** How rows are counted: one by one, by the planner's guess, or by the guess where there are many. */
export type Count = "exact" | "planned" | "estimated";

/** Stands for no rows, only a count; see {@link Settlements}. */
export interface HeadOnly {
  readonly head: true;
}
/** The rows that a read yields, none for `{ head: true }`. */
export type Unless<Options, T> = Options extends { readonly head: true } ? HeadOnly : T;

/** What the result face awaits to when all went well. */
export interface DataSuccess<T> {
  readonly data: T;
  readonly error: null;
  /** How many rows match in all; null unless it was asked for. */
  readonly count: number | null;
  readonly status: number;
  readonly statusText: string;
}
/** What the result face awaits to when something went wrong. */
export interface DataFailure {
  readonly data: null;
  readonly error: FluxbaseError;
  readonly count: null;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly statusText: string;
}
/** What the result face awaits to. */
export type DataResult<T> = DataSuccess<T> | DataFailure;

type Data<T> = IsAny<T> extends true ? T : [T] extends [HeadOnly] ? null : T;

/**
 * What awaiting a query yields, by face. A further face adds its line here. A query for no rows yields the count where
 * there is no envelope. `throwing` is the result face after `throwOnError()`.
 */
export interface Settlements<T> {
  readonly values: IsAny<T> extends true ? T : [T] extends [HeadOnly] ? number | null : T;
  readonly results: DataResult<Data<T>>;
  readonly throwing: DataSuccess<Data<T>>;
}

/** The name of a face. */
export type Face = keyof Settlements<unknown>;
/** A face whose failures are thrown. */
export type Throwing<F extends Face> = F extends "results" ? "throwing" : F;

type Merged<T, New> = T extends object ? (New extends object ? Simplify<Omit<T, keyof New> & New> : New) : T;
type Overriding<T, New> =
  IsAny<T> extends true
    ? New
    : T extends readonly (infer E)[]
      ? New extends readonly (infer N)[]
        ? Merged<E, N>[]
        : Merged<E, New>[]
      : Merged<T, New>;
/** The type of a result after `overrideTypes`. */
export type Overridden<T, New, Options> = Options extends { readonly merge: false } ? New : Overriding<T, New>;
