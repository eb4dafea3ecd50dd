/**
 * Types of tables and results. A `Database` type in Supabase's generated shape makes everything typed; without one,
 * rows are `any`.
 */

import type { FluxbaseError } from "../core/errors.js";

// biome-ignore lint/suspicious/noExplicitAny: the loose default, as in supabase-js
export type Loose = any;

/** Whether a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

type Tables<DB> = DB extends { public: { Tables: infer T } } ? T : never;
type Views<DB> = DB extends { public: { Views: infer V } } ? V : never;
type Member<T, Name> = Name extends keyof T ? T[Name] : never;
type Relation<DB, Name> = Member<Tables<DB>, Name> | Member<Views<DB>, Name>;

/** Names of the tables and views of schema `public`; any string without a `Database`. */
export type RelationName<DB> = IsAny<DB> extends true ? string : (keyof Tables<DB> | keyof Views<DB>) & string;

/** A row as read. */
export type Row<DB, Name> = IsAny<DB> extends true ? Loose : Relation<DB, Name> extends { Row: infer R } ? R : Loose;
/** A row as inserted. */
export type Insert<DB, Name> =
  IsAny<DB> extends true ? Loose : Relation<DB, Name> extends { Insert: infer I } ? I : never;
/** Columns as updated. */
export type Update<DB, Name> =
  IsAny<DB> extends true ? Loose : Relation<DB, Name> extends { Update: infer U } ? U : never;

/** A column of the row, or a path into one (`settings->>theme`). */
export type Column<R> = IsAny<R> extends true ? string : (keyof R & string) | (string & {});
/** What a column may be compared with; null is asked for with `is`. */
export type Value<R, C> =
  IsAny<R> extends true ? FilterValue : C extends keyof R ? NonNullable<R[C]> & FilterValue : FilterValue;
/** A value in a filter. Dates are sent as ISO 8601, objects as JSON. */
export type FilterValue = string | number | bigint | boolean | Date | object;

type Trim<S extends string> = S extends ` ${infer T}` | `\n${infer T}`
  ? Trim<T>
  : S extends `${infer T} `
    ? Trim<T>
    : S;
type Names<S extends string> = S extends `${infer A},${infer B}` ? Trim<A> | Names<B> : Trim<S>;

/** The row that `select(columns)` yields: exact for plain column lists, `any` for aliases, casts and embeddings. */
export type Selected<R, Columns extends string> =
  IsAny<R> extends true
    ? Loose
    : string extends Columns
      ? Loose
      : Columns extends "*"
        ? R
        : Names<Columns> extends keyof R
          ? { [C in Names<Columns>]: R[C] }
          : Loose;

/** What the result face awaits to. */
export type DataResult<T> =
  | {
      readonly data: T;
      readonly error: null;
      /** How many rows match in all; null unless the server has said so. */
      readonly count: number | null;
      readonly status: number;
      readonly statusText: string;
    }
  | {
      readonly data: null;
      readonly error: FluxbaseError;
      readonly count: null;
      /** 0 when there was no answer. */
      readonly status: number;
      readonly statusText: string;
    };

/** What awaiting a query yields, by face. A further face adds its line here. */
export interface Settlements<T> {
  readonly values: T;
  readonly results: DataResult<T>;
}

/** The name of a face. */
export type Face = keyof Settlements<unknown>;
