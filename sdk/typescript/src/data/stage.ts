/** What every stage of the query builder shares. */

import { asFluxbaseError } from "../core/errors.js";
import { type Query, rowNumber } from "./query.js";
import type { Face, Overridden, Settlements, Throwing } from "./types.js";

/** Runs a query and hands its outcome over in the manner of a face. */
export type Runner = (query: Query) => Promise<unknown>;

/** A stage of another class, or of another type. */
type Made<S> = new (query: Query, runner: Runner) => S;

/** A query that can be awaited. Every step returns a new one. */
export class Stage<T, F extends Face> implements PromiseLike<Settlements<T>[F]> {
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

  /**
   * Whether a read is sent again, up to three times in seven seconds, when there is no answer or the server is
   * unavailable (503, or a proxy's 520). Default true. Writes and calls by POST are sent once.
   */
  retry(enabled: boolean): this {
    return this.with({ retry: enabled });
  }

  /** Undoes what the query has written once it has been answered. The server must allow it (`data.tx_end`). */
  rollback(): this {
    return this.with({ prefer: [...this.query.prefer, "tx=rollback"] });
  }

  /** Undoes a write or a call that has affected more rows than this: error `PGRST124`. */
  maxAffected(rows: number): this {
    return this.attempt(() => ({
      prefer: [...this.query.prefer, "handling=strict", `max-affected=${rowNumber("maxAffected", rows)}`],
    }));
  }

  /** Changes the type of the outcome: merged into the known one, or in its place with `{ merge: false }`. */
  overrideTypes<New, const Options extends { readonly merge?: boolean } = { readonly merge: true }>(): FinalQuery<
    Overridden<T, New, Options>,
    F
  > {
    return this.as(FinalQuery<Overridden<T, New, Options>, F>);
  }
  /** Puts another type in place of the known one. */
  returns<New>(): FinalQuery<New, F> {
    return this.as(FinalQuery<New, F>);
  }
  /** Failures are thrown, where the face would return them. */
  throwOnError(): FinalQuery<T, Throwing<F>> {
    return this.as(FinalQuery<T, Throwing<F>>, { throwing: true });
  }

  protected with(change: Partial<Query>): this {
    return this.as(this.constructor as Made<this>, change);
  }

  protected as<S>(stage: Made<S>, change: Partial<Query> = {}): S {
    return new stage({ ...this.query, ...change }, this.runner);
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

/** A query that nothing can be added to but what every stage has. */
export class FinalQuery<T, F extends Face> extends Stage<T, F> {}
