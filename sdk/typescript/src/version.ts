/** The version of this package, as sent in `X-Client-Info`. A test keeps it equal to package.json. */
export const VERSION = "0.1.0";
