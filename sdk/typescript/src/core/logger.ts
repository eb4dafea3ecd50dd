/** Where the client reports what it cannot throw: a storage that failed, a listener that threw. Never a secret. */
export interface Logger {
  warn(message: string): void;
  error(message: string): void;
}

/** The default: the console, prefixed. */
export const consoleLogger: Logger = {
  warn: (message) => console.warn(`[fluxbase] ${message}`),
  error: (message) => console.error(`[fluxbase] ${message}`),
};

/** For what is not worth a line: what it concerns is lost, and nobody misses it. */
export const silentLogger: Logger = { warn: () => undefined, error: () => undefined };

/** How a foreign error is named in a log line: its class only, because its text may hold anything. */
export function errorName(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : typeof thrown;
}
