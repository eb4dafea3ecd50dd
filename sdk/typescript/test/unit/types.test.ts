/** What the compiler must know. These fail in `npm run typecheck`, not when they run. */

import { describe, expectTypeOf, it } from "vitest";
import {
  type ConfirmationResult,
  createClient,
  FluxbaseClient,
  type NoUserAndSession,
  type Result,
  type Session,
  type SignInResult,
  type TotpEnrolment,
  type User,
  type UserAndSession,
} from "../../src/index.js";

interface Todo {
  id: number;
  title: string;
  done: boolean | null;
}
interface Database {
  public: {
    Tables: { todos: { Row: Todo; Insert: { title: string; done?: boolean }; Update: Partial<Todo> } };
    Views: { open_todos: { Row: Pick<Todo, "id"> } };
    Functions: Record<never, never>;
  };
}

const never = async () => new Response("[]");

describe("types", () => {
  it("follow the Database", () => {
    const made = new FluxbaseClient<Database>({ url: "http://x.test", fetch: never, autoRefreshToken: false });
    expectTypeOf(made.from("todos").select()).resolves.toEqualTypeOf<Todo[]>();
    expectTypeOf(made.from("todos").select("id, title")).resolves.toEqualTypeOf<{ id: number; title: string }[]>();
    expectTypeOf(made.from("todos").select("id").single()).resolves.toEqualTypeOf<{ id: number }>();
    expectTypeOf(made.from("todos").select().maybeSingle()).resolves.toEqualTypeOf<Todo | null>();
    expectTypeOf(made.from("todos").insert({ title: "x" })).resolves.toEqualTypeOf<null>();
    expectTypeOf(made.from("open_todos").select()).resolves.toEqualTypeOf<{ id: number }[]>();
    // @ts-expect-error no such table
    made.from("nope");
    // @ts-expect-error title is missing
    made.from("todos").insert({ done: true });
    // @ts-expect-error a number is wanted
    made.from("todos").select().eq("id", "seven");
    // @ts-expect-error null is asked for with is()
    made.from("todos").select().eq("done", null);
  });

  it("are loose without one", () => {
    const made = createClient("http://x.test", undefined, { fetch: never, autoRefreshToken: false });
    expectTypeOf(made.from("anything").select("whatever")).resolves.toHaveProperty("data");
    made.from("anything").select().eq("column", 1);
  });

  it("narrow an outcome by its error", async () => {
    const made = createClient<Database>("http://x.test", undefined, { fetch: never, autoRefreshToken: false });
    const { data, error } = await made.from("todos").select();
    if (error === null) expectTypeOf(data).toEqualTypeOf<Todo[]>();
    else expectTypeOf(data).toEqualTypeOf<null>();
  });

  it("give every call of the result face its data and its empty form", async () => {
    const { auth, admin } = createClient("http://x.test", undefined, { fetch: never, autoRefreshToken: false });
    expectTypeOf<Awaited<ReturnType<typeof auth.verify2FACode>>>().toEqualTypeOf<
      Result<UserAndSession, NoUserAndSession>
    >();
    expectTypeOf<Awaited<ReturnType<typeof auth.resetPassword>>>().toEqualTypeOf<Result<null>>();
    expectTypeOf<Awaited<ReturnType<typeof auth.enable2FA>>>().toEqualTypeOf<Result<TotpEnrolment>>();
    expectTypeOf<Awaited<ReturnType<typeof auth.initialize>>>().toEqualTypeOf<Result<SignInResult | null>>();
    expectTypeOf<Awaited<ReturnType<typeof auth.updateEmail>>>().toEqualTypeOf<
      Result<{ readonly user: User }, { readonly user: null }>
    >();
    expectTypeOf<Awaited<ReturnType<typeof admin.getUser>>>().toEqualTypeOf<Result<User>>();
    expectTypeOf(auth.startAutoRefresh).returns.toEqualTypeOf<void>();
    expectTypeOf<Awaited<ReturnType<typeof auth.verifyEmail>>>().toEqualTypeOf<
      Result<ConfirmationResult, NoUserAndSession>
    >();
    // @ts-expect-error a proof is one or the other
    void (() => auth.verifyMagicLink({ email: "x" }));
    // @ts-expect-error internals are no calls
    void (() => auth.desk);
  });

  it("narrow a sign-in by requires_2fa", async () => {
    const { auth } = new FluxbaseClient({ url: "http://x.test", fetch: never, autoRefreshToken: false });
    type SignedIn = Awaited<ReturnType<typeof auth.confirmPasswordReset>>;
    const check = (result: SignedIn) => {
      if (result.requires_2fa) expectTypeOf(result.mfa_token).toEqualTypeOf<string>();
      else expectTypeOf(result.session).toEqualTypeOf<Session>();
    };
    void check;
  });

  it("narrow a listener's session by its event", () => {
    const made = new FluxbaseClient({ url: "http://x.test", fetch: never, autoRefreshToken: false });
    made.auth
      .onAuthStateChange((event, session, info) => {
        if (event === "SIGNED_IN") expectTypeOf(session).toEqualTypeOf<Session>();
        if (event === "SIGNED_OUT") expectTypeOf(info.reason).toExtend<string>();
        if (event === "MFA_CHALLENGE_VERIFIED") expectTypeOf(session).toEqualTypeOf<Session>();
        if (event === "PASSWORD_RECOVERY") expectTypeOf(session).toEqualTypeOf<Session | null>();
        if (event === "INITIAL_SESSION") expectTypeOf(session).toEqualTypeOf<Session | null>();
      })
      .unsubscribe();
    made.auth.onAuthStateChange((event, session) => {
      if (event === "SIGNED_IN") console.log(session.user);
      // @ts-expect-error there may be no session
      else void (() => session.user);
    });
    made.auth.onAuthStateChange((event) => {
      expectTypeOf(event).toExtend<string>();
    });
    made.auth.onAuthStateChange(() => undefined);
    made.auth.onAuthStateChange(async (...change) => change[0]);
  });
});
