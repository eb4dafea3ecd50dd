/** Conditions on rows. */

import { array, list, literal, operand, operandOf, parameter } from "./literal.js";
import { Stage } from "./stage.js";
import type { Column, Face, FilterValue, IsAny, Source, Value } from "./types.js";

/** How the words of a full-text search are to be read, and in which language. */
export interface SearchOptions {
  /** A text search configuration, such as `english`; the database's own by default. */
  readonly config?: string;
  /** `plain`: all words. `phrase`: next to each other. `websearch`: as search engines do. By default PostgreSQL's syntax. */
  readonly type?: "plain" | "phrase" | "websearch";
}

/** Which rows a condition is about: those of the table, or embedded ones. */
export interface Referenced {
  /** The name, alias or path (`author.books`) of an embedding. */
  readonly referencedTable?: string | undefined;
  /** The same, as older clients call it. */
  readonly foreignTable?: string | undefined;
}

/** The parameter of this name for embedded rows, or for those of the table. */
export function referenced(name: string, { referencedTable, foreignTable }: Referenced): string {
  const table = referencedTable ?? foreignTable;
  return table === undefined ? name : `${table}.${name}`;
}

/** Values by column. */
type Matched<R> =
  IsAny<R> extends true ? Readonly<Record<string, FilterValue>> : { readonly [C in keyof R & string]?: Value<R, C> };

const SEARCHES = { plain: "plfts", phrase: "phfts", websearch: "wfts" };

/**
 * Conditions on rows; all must hold. A column may be a path into one (`settings->>theme`), or one of embedded rows
 * (`author.name`).
 */
export class Filters<Src extends Source, T, F extends Face> extends Stage<T, F> {
  /** Column equals value. For null use {@link Filters.is}. */
  eq<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "eq", value);
  }
  /** Column differs from value (rows where it is null do not match). */
  neq<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "neq", value);
  }
  /** Column is greater. */
  gt<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "gt", value);
  }
  /** Column is greater or equal. */
  gte<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "gte", value);
  }
  /** Column is less. */
  lt<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "lt", value);
  }
  /** Column is less or equal. */
  lte<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "lte", value);
  }
  /** Column differs from value; null differs from every value. */
  isDistinct<C extends Column<Src["row"]>>(column: C, value: Value<Src["row"], C>): this {
    return this.#where(column, "isdistinct", value);
  }
  /** Column is null, not null, true, false or unknown. */
  is(column: Column<Src["row"]>, value: null | boolean | "null" | "not_null" | "true" | "false" | "unknown"): this {
    return this.#where(column, "is", String(value));
  }
  /** Column is one of the values. An empty list matches nothing. */
  in<C extends Column<Src["row"]>>(column: C, values: readonly Value<Src["row"], C>[]): this {
    return this.#condition(column, () => `in.${list(values)}`);
  }
  /** Column is none of the values (rows where it is null do not match). */
  notIn<C extends Column<Src["row"]>>(column: C, values: readonly Value<Src["row"], C>[]): this {
    return this.#condition(column, () => `not.in.${list(values)}`);
  }

  /** Column matches a pattern, in which `%` stands for any text and `_` for any character. */
  like(column: Column<Src["row"]>, pattern: string): this {
    return this.#where(column, "like", pattern);
  }
  /** As {@link Filters.like}, whether letters are small or large. */
  ilike(column: Column<Src["row"]>, pattern: string): this {
    return this.#where(column, "ilike", pattern);
  }
  /** Column matches all patterns. */
  likeAllOf(column: Column<Src["row"]>, patterns: readonly string[]): this {
    return this.#condition(column, () => `like(all).${array(patterns)}`);
  }
  /** Column matches one pattern at least. */
  likeAnyOf(column: Column<Src["row"]>, patterns: readonly string[]): this {
    return this.#condition(column, () => `like(any).${array(patterns)}`);
  }
  /** As {@link Filters.likeAllOf}, whether letters are small or large. */
  ilikeAllOf(column: Column<Src["row"]>, patterns: readonly string[]): this {
    return this.#condition(column, () => `ilike(all).${array(patterns)}`);
  }
  /** As {@link Filters.likeAnyOf}, whether letters are small or large. */
  ilikeAnyOf(column: Column<Src["row"]>, patterns: readonly string[]): this {
    return this.#condition(column, () => `ilike(any).${array(patterns)}`);
  }
  /** Column matches a regular expression of PostgreSQL. */
  regexMatch(column: Column<Src["row"]>, pattern: string): this {
    return this.#where(column, "match", pattern);
  }
  /** As {@link Filters.regexMatch}, whether letters are small or large. */
  regexIMatch(column: Column<Src["row"]>, pattern: string): this {
    return this.#where(column, "imatch", pattern);
  }

  /** Array, range or JSON has all of value: a list of elements, an object, or a text in PostgreSQL's own form. */
  contains(column: Column<Src["row"]>, value: string | readonly unknown[] | object): this {
    return this.#condition(column, () => `cs.${operand(value)}`);
  }
  /** All of array, range or JSON is in value. */
  containedBy(column: Column<Src["row"]>, value: string | readonly unknown[] | object): this {
    return this.#condition(column, () => `cd.${operand(value)}`);
  }
  /** Array or range has something in common with value. */
  overlaps(column: Column<Src["row"]>, value: string | readonly unknown[]): this {
    return this.#condition(column, () => `ov.${operand(value)}`);
  }
  /** Every element of the range is greater than any in `range`, as `[2030-01-01,2030-02-01)`. */
  rangeGt(column: Column<Src["row"]>, range: string): this {
    return this.#where(column, "sr", range);
  }
  /** No element of the range is less than all in `range`. */
  rangeGte(column: Column<Src["row"]>, range: string): this {
    return this.#where(column, "nxl", range);
  }
  /** Every element of the range is less than any in `range`. */
  rangeLt(column: Column<Src["row"]>, range: string): this {
    return this.#where(column, "sl", range);
  }
  /** No element of the range is greater than all in `range`. */
  rangeLte(column: Column<Src["row"]>, range: string): this {
    return this.#where(column, "nxr", range);
  }
  /** Nothing lies between the range and `range`, and they have nothing in common. */
  rangeAdjacent(column: Column<Src["row"]>, range: string): this {
    return this.#where(column, "adj", range);
  }
  /** Text or document matches a full-text query. */
  textSearch(column: Column<Src["row"]>, query: string, { config, type }: SearchOptions = {}): this {
    const language = config === undefined ? "" : `(${config})`;
    return this.#where(column, `${type === undefined ? "fts" : SEARCHES[type]}${language}`, query);
  }

  /** Each column equals its value. */
  match(values: Matched<Src["row"]>): this {
    return Object.entries(values).reduce((query, [column, value]) => query.#where(column, "eq", value), this);
  }
  /** The opposite of a condition, by PostgREST's name of the operator. Lists are quoted; a text stays as it is. */
  not(column: Column<Src["row"]>, operator: string, value: unknown): this {
    return this.#condition(column, () => `not.${operator}.${operandOf(operator, value)}`);
  }
  /** A condition by PostgREST's name of the operator. Lists are quoted; a text stays as it is. */
  filter(column: Column<Src["row"]>, operator: string, value: unknown): this {
    return this.#condition(column, () => `${operator}.${operandOf(operator.replace(/^not\./, ""), value)}`);
  }
  /**
   * One of several conditions holds, in PostgREST's own words: `done.is.true,and(title.like.A*,id.gt.7)`. Put double
   * quotes around values with commas, parentheses or dots in them, and a backslash before quotes and backslashes within.
   */
  or(conditions: string, options: Referenced = {}): this {
    return this.with({ filters: [...this.query.filters, [referenced("or", options), `(${conditions})`]] });
  }

  #where(column: string, operator: string, value: unknown): this {
    return this.#condition(column, () => `${operator}.${literal(value)}`);
  }

  #condition(column: string, condition: () => string): this {
    return this.attempt(() => ({ filters: [...this.query.filters, [parameter(column), condition()]] }));
  }
}
