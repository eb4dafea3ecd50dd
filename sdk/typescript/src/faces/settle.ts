/** From calls that throw to calls that return `{data, error}`: one rule for all of them. */

import { asFluxbaseError, type FluxbaseError } from "../core/errors.js";

/** Data and no error, or an error and the empty form of the data. */
export type Result<T, Empty = null> =
  | { readonly data: T; readonly error: null }
  | { readonly data: Empty; readonly error: FluxbaseError };

/** The empty form of a user with session. */
export interface NoUserAndSession {
  readonly user: null;
  readonly session: null;
}

interface Signing {
  readonly user: unknown;
  readonly session: unknown;
}
/** Null for calls that have nothing to tell. */
type Data<T> = [undefined] extends [T] ? null : T;
type Empty<T> = [T] extends [Signing] ? NoUserAndSession : null;

/** The same calls, with their outcomes as {@link Result}s. Calls that answer at once stay as they are. */
export type Settled<Calls> = {
  readonly [Name in keyof Calls]: Calls[Name] extends (...args: infer Args) => Promise<infer T>
    ? (...args: Args) => Promise<Result<Data<T>, Empty<T>>>
    : Calls[Name];
};

/** The calls whose data is a user with session. */
type SigningCalls<Calls> = {
  [Name in keyof Calls]: Calls[Name] extends (...args: never[]) => Promise<infer T>
    ? [T] extends [Signing]
      ? Name
      : never
    : never;
}[keyof Calls];

const nobody: NoUserAndSession = { user: null, session: null };

/** The outcome of one call. Never rejects. */
export async function settle<T, E = null>(work: Promise<T>, empty: E): Promise<Result<T, E>> {
  try {
    return { data: await work, error: null };
  } catch (thrown) {
    return { data: empty, error: asFluxbaseError(thrown) };
  }
}

/** The outcome as `{[name]: data}`, as supabase-js has it for single things. */
export function settleAs<Name extends string, T>(
  name: Name,
  work: Promise<T>,
): Promise<Result<Readonly<Record<Name, T>>, Readonly<Record<Name, null>>>> {
  const under = <V>(value: V) => ({ [name]: value }) as Readonly<Record<Name, V>>;
  return settle(work.then(under), under(null));
}

/** Wraps every call. `signing` names those whose empty form is {@link NoUserAndSession}; the compiler knows them. */
export function settled<Calls extends object>(
  calls: Calls,
  signing: Readonly<Record<SigningCalls<Calls>, true>>,
): Settled<Calls> {
  const wrapped = Object.entries(calls).map(([name, call]: [string, (...args: unknown[]) => unknown]) => {
    const empty = name in signing ? nobody : null;
    const settling = (...args: unknown[]) => {
      const outcome = call(...args);
      if (!(outcome instanceof Promise)) return outcome;
      return settle(
        outcome.then((data: unknown) => data ?? null),
        empty,
      );
    };
    return [name, settling];
  });
  return Object.fromEntries(wrapped) as Settled<Calls>;
}
