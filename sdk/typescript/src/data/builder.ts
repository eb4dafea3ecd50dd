/**
 * The query builder: `client.from(table)`, `client.rpc(function)` and what follows them. Every step returns a new query,
 * so a prefix can be kept and used twice. A query is sent when it is awaited, once per await.
 */

import { Filters } from "./filters.js";
import { argumentsOf, columnsOf, emptyQuery, evenRows, type Parameter, type Query } from "./query.js";
import { RowsQuery } from "./rows.js";
import type { Selected } from "./select-row.js";
import type { Runner } from "./stage.js";
import type {
  Args,
  CallSource,
  Count,
  Face,
  FunctionName,
  Insert,
  RelationName,
  Returns,
  Source,
  TableSource,
  Throwing,
  Unless,
  Update,
} from "./types.js";

/** Counts what a query matches, beside its outcome. */
export interface CountOptions {
  readonly count?: Count | undefined;
}
/** How rows are read. */
export interface ReadOptions extends CountOptions {
  /** Yields no rows: the envelope alone, or where there is no envelope the count. */
  readonly head?: boolean | undefined;
}
/** How a function is called. */
export interface CallOptions extends ReadOptions {
  /** By GET, for functions that change nothing. */
  readonly get?: boolean | undefined;
}
/** How rows are added. */
export interface InsertOptions extends CountOptions {
  /** What columns get that are missing from some of several rows: null (the default), or with false their own default. */
  readonly defaultToNull?: boolean | undefined;
}
/** How rows are added or changed. */
export interface UpsertOptions extends InsertOptions {
  /** Columns of a unique key, as `a,b`; the primary key by default. */
  readonly onConflict?: string | undefined;
  /** Leaves rows that are there as they are. */
  readonly ignoreDuplicates?: boolean | undefined;
}

/** A write. Awaits to null unless {@link WriteQuery.select} asks for the rows. */
export class WriteQuery<Src extends Source, F extends Face> extends Filters<Src, null, F> {
  /** Returns the written rows (for delete: as they were). */
  select<const C extends string = "*">(columns?: C): RowsQuery<Src, Selected<Src, C>[], F> {
    return this.as(RowsQuery<Src, Selected<Src, C>[], F>, { select: columns ?? "*", returning: true });
  }
  /** Failures are thrown, where the face would return them. */
  override throwOnError(): WriteQuery<Src, Throwing<F>> {
    return this.as(WriteQuery<Src, Throwing<F>>, { throwing: true });
  }
}

type SelectedOf<Src extends Source, T, C extends string> = T extends readonly unknown[]
  ? Selected<Src, C>[]
  : Selected<Src, C>;

/** What a function returns: a value, a row, or rows that can be filtered, sorted and cut like those of a table. */
export class CallQuery<Src extends Source, T, F extends Face> extends RowsQuery<Src, T, F> {
  /** These columns of the rows. */
  select<const C extends string = "*">(columns?: C): RowsQuery<Src, SelectedOf<Src, T, C>, F> {
    return this.as(RowsQuery<Src, SelectedOf<Src, T, C>, F>, { select: columns ?? "*" });
  }
}

/** A table or view, before it is known what to do with it. */
export class TableQuery<S, Name extends string, F extends Face> {
  readonly #query: Query;
  readonly #runner: Runner;

  constructor(query: Query, runner: Runner) {
    this.#query = query;
    this.#runner = runner;
  }

  /**
   * Reads rows. `columns` is a comma-separated list, `*` by default: `id,title:name`, `created_at::date`,
   * `settings->>theme`, and rows of other tables: `author(name)`, `author!inner(name)`, `...author(name)`.
   */
  select<const C extends string = "*", const Options extends ReadOptions = Record<never, never>>(
    columns?: C,
    options?: Options,
  ): RowsQuery<TableSource<S, Name>, Unless<Options, Selected<TableSource<S, Name>, C>[]>, F> {
    const { head, count } = (options ?? {}) as ReadOptions;
    const method = head ? "HEAD" : "GET";
    return new RowsQuery({ ...this.#query, method, select: columns ?? "*", prefer: counting(count) }, this.#runner);
  }

  /**
   * Adds a row, or several in one statement: all or none. Columns that are missing from some of several rows become
   * null in them, or with `defaultToNull: false` get their default, as columns do that are missing from all.
   */
  insert(
    rows: Insert<S, Name> | readonly Insert<S, Name>[],
    options: InsertOptions = {},
  ): WriteQuery<TableSource<S, Name>, F> {
    return this.#add(rows, options, [], []);
  }

  /** Adds rows as {@link TableQuery.insert} does, and changes those that are there already. */
  upsert(
    rows: Insert<S, Name> | readonly Insert<S, Name>[],
    options: UpsertOptions = {},
  ): WriteQuery<TableSource<S, Name>, F> {
    const { onConflict, ignoreDuplicates = false } = options;
    const key: readonly Parameter[] = onConflict === undefined ? [] : [["on_conflict", onConflict]];
    return this.#add(rows, options, [`resolution=${ignoreDuplicates ? "ignore" : "merge"}-duplicates`], key);
  }

  /** Changes the rows that match the filters that follow: without a filter, every row the caller may change. */
  update(patch: Update<S, Name>, { count }: CountOptions = {}): WriteQuery<TableSource<S, Name>, F> {
    return this.#write({ method: "PATCH", body: patch, prefer: counting(count) });
  }

  /** Deletes the rows that match the filters that follow: without a filter, every row the caller may delete. */
  delete({ count }: CountOptions = {}): WriteQuery<TableSource<S, Name>, F> {
    return this.#write({ method: "DELETE", prefer: counting(count) });
  }

  #add(
    rows: unknown,
    { count, defaultToNull = true }: InsertOptions,
    words: readonly string[],
    parameters: readonly Parameter[],
  ): WriteQuery<TableSource<S, Name>, F> {
    const prefer = [...words, ...counting(count)];
    if (defaultToNull) return this.#write({ method: "POST", body: evenRows(rows), prefer, parameters });
    const missing = { prefer: [...prefer, "missing=default"], parameters: [...parameters, ...columnsOf(rows)] };
    return this.#write({ method: "POST", body: rows, ...missing });
  }

  #write(change: Partial<Query>): WriteQuery<TableSource<S, Name>, F> {
    return new WriteQuery({ ...this.#query, ...change }, this.#runner);
  }
}

/** The tables, views and functions of one schema. */
export class SchemaClient<S, F extends Face> {
  readonly #runner: Runner;
  readonly #schema: string | undefined;

  constructor(runner: Runner, schema?: string) {
    this.#runner = runner;
    this.#schema = schema;
  }

  /** A table or view, to read or to write. */
  from<const Name extends RelationName<S>>(relation: Name): TableQuery<S, Name, F> {
    return new TableQuery(emptyQuery("tables", relation, this.#schema), this.#runner);
  }

  /**
   * Calls a function with named arguments: by POST, or with `get` and `head` by GET and HEAD if it changes nothing. One
   * that returns nothing yields null.
   */
  rpc<
    const Name extends FunctionName<S>,
    const Given extends Args<S, Name> = Args<S, Name>,
    const Options extends CallOptions = Record<never, never>,
  >(
    name: Name,
    args?: Given,
    options?: Options,
  ): CallQuery<CallSource<S, Name, Returns<S, Name, Given>>, Unless<Options, Returns<S, Name, Given>>, F> {
    const { head, get, count } = (options ?? {}) as CallOptions;
    const given = head || get ? argumentsOf(args ?? {}) : { body: args ?? {} };
    const method = head ? "HEAD" : get ? "GET" : "POST";
    return new CallQuery(
      { ...emptyQuery("rpc", name, this.#schema), method, prefer: counting(count), ...given },
      this.#runner,
    );
  }
}

function counting(count: Count | undefined): readonly string[] {
  return count === undefined ? [] : [`count=${count}`];
}
