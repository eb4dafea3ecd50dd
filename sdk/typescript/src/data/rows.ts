/** Queries that yield rows: in which order, how many, and in which form. */

import { usageError } from "../core/errors.js";
import { Filters, type Referenced, referenced } from "./filters.js";
import { type Query, rowNumber } from "./query.js";
import { FinalQuery } from "./stage.js";
import type { Column, Face, Source, Throwing } from "./types.js";

/** How rows are sorted by one column. */
export interface OrderOptions extends Referenced {
  /** Default true. */
  readonly ascending?: boolean | undefined;
  /** Default: nulls come last, or first where the order is descending. */
  readonly nullsFirst?: boolean | undefined;
}

/** What `explain` tells beside the plan. */
export interface ExplainOptions {
  /** Runs the statement, and tells how long it took. */
  readonly analyze?: boolean;
  readonly verbose?: boolean;
  readonly settings?: boolean;
  readonly buffers?: boolean;
  readonly wal?: boolean;
  /** Default `text`. */
  readonly format?: "text" | "json";
}

type Plan<Options> = Options extends { readonly format: "json" } ? Record<string, unknown>[] : string;
type Element<T> = T extends readonly (infer E)[] ? E : T;

/** A read, a write that returns its rows, or what a function returns. */
export class RowsQuery<Src extends Source, T, F extends Face> extends Filters<Src, T, F> {
  /**
   * Sorts by a column, or by one of a row that is embedded alone (`author(name)`); call again to sort by more. With
   * `referencedTable` it is the embedded rows that are sorted.
   */
  order(column: Column<Src["row"]>, options: OrderOptions = {}): this {
    const direction = options.ascending === false ? "desc" : "asc";
    const nulls = options.nullsFirst === undefined ? "" : options.nullsFirst ? ".nullsfirst" : ".nullslast";
    const name = referenced("order", options);
    const terms = [...(this.query.order[name] ?? []), `${column}.${direction}${nulls}`];
    return this.with({ order: { ...this.query.order, [name]: terms } });
  }
  /** At most this many rows; with `referencedTable`, so many in each embedding. */
  limit(rows: number, options: Referenced = {}): this {
    return this.#page(() => ({ [referenced("limit", options)]: rowNumber("limit", rows) }));
  }
  /** Rows `from` to `to`, counted from 0, both included. */
  range(from: number, to: number, options: Referenced = {}): this {
    return this.#page(() => {
      const limit = rowNumber("range's end", to) - rowNumber("range's start", from) + 1;
      if (limit < 1) throw usageError("range must not end before it starts", "invalid_query");
      return { [referenced("limit", options)]: limit, [referenced("offset", options)]: from };
    });
  }

  /**
   * Exactly one row, as an object; else the error `PGRST116` (status 406), and a write is undone. A read asks for two
   * rows at most, which is enough to know.
   */
  single(): FinalQuery<Element<T>, F> {
    return this.as(FinalQuery<Element<T>, F>, { cardinality: "one" });
  }
  /** As {@link RowsQuery.single}, but null when there is none. */
  maybeSingle(): FinalQuery<Element<T> | null, F> {
    return this.as(FinalQuery<Element<T> | null, F>, { cardinality: "maybe" });
  }
  /** The rows as text: CSV, with a line of names first. */
  csv(): FinalQuery<string, F> {
    return this.as(FinalQuery<string, F>, { format: "text/csv" });
  }
  /** The rows as a GeoJSON feature collection. The database needs PostGIS. */
  geojson(): FinalQuery<Record<string, unknown>, F> {
    return this.as(FinalQuery<Record<string, unknown>, F>, { format: "application/geo+json" });
  }
  /** How PostgreSQL would answer, instead of the answer. The server must allow it. */
  explain<const Options extends ExplainOptions>(options?: Options): FinalQuery<Plan<Options>, F> {
    const { format = "text", ...chosen } = (options ?? {}) as ExplainOptions;
    const named = Object.entries(chosen).flatMap(([name, wanted]) => (wanted ? [name] : []));
    return this.as(FinalQuery<Plan<Options>, F>, { plan: { format, options: named } });
  }
  /** Leaves out members that are null. */
  stripNulls(): this {
    return this.with({ stripped: true });
  }

  /** Failures are thrown, where the face would return them. */
  override throwOnError(): RowsQuery<Src, T, Throwing<F>> {
    return this.as(RowsQuery<Src, T, Throwing<F>>, { throwing: true });
  }

  #page(step: () => Query["page"]): this {
    return this.attempt(() => ({ page: { ...this.query.page, ...step() } }));
  }
}
