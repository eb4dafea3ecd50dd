/**
 * The TypeScript client for Fluxbase. One core, two manners:
 * {@link FluxbaseClient} returns values and throws; {@link createClient} returns `{data, error}` and never throws.
 */

export type { KeyFilter, KeyRotation, MadeKey, ManagedKey, NewKey, RotatedKey } from "./admin/keys.js";
export type { AdminUserAttributes, Ban, Removal, UserFactors, UserFilter, WithReason } from "./admin/users.js";
export type * from "./auth/requests.js";
export type * from "./auth/types.js";
export { AuthError, DataError, type FieldError, FluxbaseError, NetworkError } from "./core/errors.js";
export type {
  AuthChange,
  AuthChangeInfo,
  AuthEvent,
  AuthListener,
  SignOutReason,
  Subscribe,
  Subscription,
} from "./core/events.js";
export type { Logger } from "./core/logger.js";
export type { ClientOptions, FluxbaseClientOptions } from "./core/options.js";
export type { StorageAdapter } from "./core/storage.js";
export type {
  CallOptions,
  CallQuery,
  CountOptions,
  InsertOptions,
  ReadOptions,
  SchemaClient,
  TableQuery,
  UpsertOptions,
  WriteQuery,
} from "./data/builder.js";
export type { Referenced, SearchOptions } from "./data/filters.js";
export type { ExplainOptions, OrderOptions, RowsQuery } from "./data/rows.js";
export type { FinalQuery } from "./data/stage.js";
export type {
  Count,
  DataFailure,
  DataResult,
  DataSuccess,
  FilterValue,
  Insert,
  RelationName,
  Row,
  Update,
} from "./data/types.js";
export { createClient, type ResultAdmin, type ResultAuth, type ResultClient } from "./faces/results.js";
export type { NoUserAndSession, Result } from "./faces/settle.js";
export { FluxbaseClient, type ValueAdmin, type ValueAuth } from "./faces/values.js";
export { VERSION } from "./version.js";
