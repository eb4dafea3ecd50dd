/** Names of supabase-js for mailed links and codes, each with its shape. They call what the value face calls. */

import type { MailedProof } from "../auth/requests.js";
import type { ConfirmationResult, UserMetadata } from "../auth/types.js";
import type { Core } from "../core/core.js";
import { usageError } from "../core/errors.js";
import { type NoUserAndSession, type Result, settle } from "./settle.js";
import { SupabaseAdmin } from "./supabase-admin.js";
import { SupabaseMfa } from "./supabase-mfa.js";

/** What `signInWithOtp` takes. */
export interface OtpRequest {
  readonly email: string;
  readonly options?: {
    readonly emailRedirectTo?: string | undefined;
    readonly shouldCreateUser?: boolean | undefined;
    readonly data?: UserMetadata | undefined;
  };
}

/** What a mail was for. `email` and `magiclink` are the same. */
export type OtpType = "email" | "magiclink" | "invite" | "signup" | "recovery";

/** What `verifyOtp` takes: the code from the mail, or the token of its link. */
export type OtpProof = { readonly type: OtpType } & (
  | { readonly email: string; readonly token: string; readonly flow_id?: string | null | undefined }
  | { readonly token_hash: string }
);

/** Nobody is signed in yet; `flow_id` is for `waitForSignIn`. */
export interface OtpSent extends NoUserAndSession {
  readonly flow_id?: string;
}

const nobody: NoUserAndSession = { user: null, session: null };

/** Part of `client.auth` of `ResultClient`. */
export class SupabaseNames {
  readonly #core: Core;
  /** Second factors. */
  readonly mfa: SupabaseMfa;
  /** Accounts, for operators; needs a service key. */
  readonly admin: SupabaseAdmin;

  constructor(core: Core) {
    this.#core = core;
    this.mfa = new SupabaseMfa(core);
    this.admin = new SupabaseAdmin(core);
  }

  /** As `sendMagicLink`. */
  readonly signInWithOtp = ({ email, options = {} }: OtpRequest): Promise<Result<OtpSent, NoUserAndSession>> => {
    const { emailRedirectTo: redirectTo, shouldCreateUser: create_user, data } = options;
    return sent(this.#core.auth.sendMagicLink({ email, redirectTo, create_user, data }));
  };

  /**
   * As `verifyMagicLink` or `verifyEmail`, by type. With `recovery` nobody is signed in yet: `PASSWORD_RECOVERY` follows,
   * and `updateUser({ password })` goes on with the proof, which is looked at only then.
   */
  readonly verifyOtp = (proof: OtpProof): Promise<Result<ConfirmationResult, NoUserAndSession>> =>
    settle(this.#verify(proof), nobody);

  /** Mails again (an invitation: an ordinary link): as `resendVerification`, `sendMagicLink` (for a known address) or `resetPassword`, by type. */
  readonly resend = (request: {
    readonly type: OtpType;
    readonly email: string;
    readonly options?: { readonly emailRedirectTo?: string | undefined };
  }): Promise<Result<OtpSent, NoUserAndSession>> => {
    const { type, email, options } = request;
    const redirectTo = options?.emailRedirectTo;
    const { auth } = this.#core;
    if (type === "signup") return sent(auth.resendVerification({ email }));
    if (type === "recovery") return sent(auth.resetPassword({ email, redirectTo }).then(() => ({})));
    return sent(auth.sendMagicLink({ email, redirectTo, create_user: false }));
  };

  /** As `resetPassword`. */
  readonly resetPasswordForEmail = (
    email: string,
    options: { readonly redirectTo?: string | undefined } = {},
  ): Promise<Result<Record<never, never>>> =>
    settle(
      this.#core.auth.resetPassword({ email, redirectTo: options.redirectTo }).then(() => ({})),
      null,
    );

  async #verify(given: OtpProof): Promise<ConfirmationResult> {
    const proof = proofOf(given);
    const { auth, desk } = this.#core;
    switch (given.type) {
      case "email":
      case "magiclink":
      case "invite":
        return auth.verifyMagicLink(proof);
      case "signup":
        return auth.verifyEmail(proof);
      case "recovery":
        desk.recover(proof);
        return nobody;
      default:
        throw usageError("verifyOtp knows the types email, magiclink, invite, signup and recovery", "invalid_options");
    }
  }
}

/** Nobody has asked for an invitation, so its code belongs to no flow of this page. */
function proofOf(given: OtpProof): MailedProof {
  if ("token_hash" in given) return { token: given.token_hash };
  const { email, token: code, type, flow_id = type === "invite" ? null : undefined } = given;
  return { email, code, flow_id };
}

function sent(work: Promise<{ readonly flow_id?: string }>): Promise<Result<OtpSent, NoUserAndSession>> {
  return settle(
    work.then((flow) => ({ ...nobody, ...flow })),
    nobody,
  );
}
