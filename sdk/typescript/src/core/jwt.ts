/** Reads a JWT's claims without verifying it. Only the server verifies; these are for scheduling and display. */

/** The claims of a Fluxbase access token that this package reads. */
export interface Claims {
  readonly sub?: string;
  readonly session_id?: string;
  /** Unix seconds. */
  readonly exp?: number;
  readonly [claim: string]: unknown;
}

/** The claims, or null when the token is not a readable JWT. */
export function readClaims(token: string): Claims | null {
  const payload = token.split(".")[1];
  if (payload === undefined) return null;
  try {
    const binary = atob(payload.replace(/-/g, "+").replace(/_/g, "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? (claims as Claims) : null;
  } catch {
    return null;
  }
}
