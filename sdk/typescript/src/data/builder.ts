/**
 * The query builder: `client.from(table)` and what follows. Every step returns a new query, so a prefix can be kept
 * and used twice. A query is sent when it is awaited, once per await.
 */

import { asFluxbaseError, type FluxbaseError, usageError } from "../core/errors.js";
import { list, literal, parameter } from "./literal.js";
import { emptyQuery, type Query, rowNumber } from "./query.js";
import type { Column, Face, FilterValue, Insert, Row, Selected, Settlements, Update, Value } from "./types.js";

/** Runs a query and hands its outcome over in the manner of a face. */
export type Runner = (query: Query) => Promise<unknown>;

/** What every stage of the builder shares: being awaited, and a signal. */
class Stage<T, F extends Face> implements PromiseLike<Settlements<T>[F]> {
  protected readonly query: Query;
  protected readonly runner: Runner;

  constructor(query: Query, runner: Runner) {
    this.query = query;
    this.runner = runner;
  }

  /** Sends the query. */
  // biome-ignore lint/suspicious/noThenProperty: being awaited is what a query is for
  then<A = Settlements<T>[F], B = never>(
    onFulfilled?: ((value: Settlements<T>[F]) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return (this.runner(this.query) as Promise<Settlements<T>[F]>).then(onFulfilled, onRejected);
  }

  /** Gives the request up when `signal` aborts: code `aborted`. A write may have happened all the same. */
  abortSignal(signal: AbortSignal): this {
    return this.with({ signal });
  }

  protected with(change: Partial<Query>): this {
    return new (this.constructor as new (query: Query, runner: Runner) => this)(
      { ...this.query, ...change },
      this.runner,
    );
  }

  /** Notes a mistake, which is reported when the query is run. */
  protected attempt(step: () => Partial<Query>): this {
    try {
      return this.with(step());
    } catch (thrown) {
      return this.with({ mistake: this.query.mistake ?? asFluxbaseError(thrown) });
    }
  }
}

/** Conditions on rows; all must hold. */
class Filters<R, T, F extends Face> extends Stage<T, F> {
  /** Column equals value. For null use {@link Filters.is}. */
  eq<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "eq", value);
  }
  /** Column differs from value (rows where it is null do not match). */
  neq<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "neq", value);
  }
  /** Column is greater. */
  gt<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "gt", value);
  }
  /** Column is greater or equal. */
  gte<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "gte", value);
  }
  /** Column is less. */
  lt<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "lt", value);
  }
  /** Column is less or equal. */
  lte<C extends Column<R>>(column: C, value: Value<R, C>): this {
    return this.#where(column, "lte", value);
  }
  /** Column is one of the values. An empty list matches nothing. */
  in<C extends Column<R>>(column: C, values: readonly Value<R, C>[]): this {
    return this.attempt(() => this.#condition(column, `in.${list(values)}`));
  }
  /** Column is null, true, false or unknown. */
  is<C extends Column<R>>(column: C, value: null | boolean | "unknown"): this {
    return this.attempt(() => this.#condition(column, `is.${String(value)}`));
  }

  #where(column: string, operator: string, value: FilterValue): this {
    return this.attempt(() => this.#condition(column, `${operator}.${literal(value)}`));
  }

  #condition(column: string, condition: string): Partial<Query> {
    return { filters: [...this.query.filters, [parameter(column), condition]] };
  }
}

/** The one row instead of the list. */
class Rows<R, T, F extends Face> extends Filters<R, T, F> {
  /**
   * Exactly one row, as an object; else the error `PGRST116` (status 406). After a write the rows have been written
   * all the same.
   */
  single(): One<T extends readonly (infer E)[] ? E : T, F> {
    return new One({ ...this.query, cardinality: "one" }, this.runner);
  }
  /** As {@link Rows.single}, but null when there is none. */
  maybeSingle(): One<(T extends readonly (infer E)[] ? E : T) | null, F> {
    return new One({ ...this.query, cardinality: "maybe" }, this.runner);
  }
  /** Sorts by a column; call again to sort by more. Ascending by default; nulls come last then, first if descending. */
  order(column: Column<R>, options: { ascending?: boolean; nullsFirst?: boolean } = {}): this {
    const direction = options.ascending === false ? "desc" : "asc";
    const nulls = options.nullsFirst === undefined ? "" : options.nullsFirst ? ".nullsfirst" : ".nullslast";
    return this.with({ order: [...this.query.order, `${column}.${direction}${nulls}`] });
  }
}

/** A read. */
export class ReadQuery<R, T, F extends Face> extends Rows<R, T, F> {
  /** At most this many rows. */
  limit(rows: number): this {
    return this.#numbers(rowNumber("limit", rows), { limit: rows });
  }
  /** Rows `from` to `to`, counted from 0, both included. */
  range(from: number, to: number): this {
    const mistake = rowNumber("range's start", from) ?? rowNumber("range's end", to);
    const order = to < from ? usageError("range must not end before it starts", "invalid_query") : undefined;
    return this.#numbers(mistake ?? order, { offset: from, limit: to - from + 1 });
  }
  #numbers(mistake: FluxbaseError | undefined, change: Partial<Query>): this {
    return this.attempt(() => {
      if (mistake !== undefined) throw mistake;
      return change;
    });
  }
}

/** A write that returns its rows. */
export class ReturningQuery<R, T, F extends Face> extends Rows<R, T, F> {}

/** A write. Awaits to null unless {@link WriteQuery.select} asks for the rows. */
export class WriteQuery<R, F extends Face> extends Filters<R, null, F> {
  /** Returns the written rows (for delete: as they were). */
  select<const C extends string = "*">(columns?: C): ReturningQuery<R, Selected<R, C>[], F> {
    return new ReturningQuery({ ...this.query, select: columns ?? "*", returning: true }, this.runner);
  }
}

/** A query for one row; nothing more can be added but a signal. */
export class One<T, F extends Face> extends Stage<T, F> {}

/** A table or view, before it is known what to do with it. */
export class TableQuery<DB, Name extends string, F extends Face> {
  readonly #table: Name;
  readonly #runner: Runner;

  constructor(table: Name, runner: Runner) {
    this.#table = table;
    this.#runner = runner;
  }

  /** Reads rows. `columns` is a comma-separated list, `*` by default. */
  select<const C extends string = "*">(columns?: C): ReadQuery<Row<DB, Name>, Selected<Row<DB, Name>, C>[], F> {
    return new ReadQuery({ ...emptyQuery(this.#table), select: columns ?? "*" }, this.#runner);
  }

  /**
   * Adds a row, or several in one statement: all or none. Columns that are missing from some of several rows become
   * null in them; columns that are missing from all get their default.
   */
  insert(rows: Insert<DB, Name> | readonly Insert<DB, Name>[]): WriteQuery<Row<DB, Name>, F> {
    return this.#write("POST", rows);
  }

  /** Changes the rows that match the filters that follow: without a filter, every row the caller may change. */
  update(patch: Update<DB, Name>): WriteQuery<Row<DB, Name>, F> {
    return this.#write("PATCH", patch);
  }

  /** Deletes the rows that match the filters that follow: without a filter, every row the caller may delete. */
  delete(): WriteQuery<Row<DB, Name>, F> {
    return this.#write("DELETE", undefined);
  }

  #write(method: Query["method"], body: unknown): WriteQuery<Row<DB, Name>, F> {
    return new WriteQuery({ ...emptyQuery(this.#table), method, body }, this.#runner);
  }
}
