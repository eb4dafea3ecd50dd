/** What the server sends back, before anything is made of it. */

/** Which part of the API was asked; decides the class of the error. */
export type Family = "auth" | "data";

/** An answer of any status, its body read and parsed. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  /** The body as it came. */
  readonly text: string;
  /** Parsed JSON; undefined when empty or not JSON. */
  readonly body: unknown;
}
