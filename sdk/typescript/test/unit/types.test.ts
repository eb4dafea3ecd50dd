/** What the compiler must know. These fail in `npm run typecheck`, not when they run. */

import { describe, expectTypeOf, it } from "vitest";
import { createClient, FluxbaseClient, type Session } from "../../src/index.js";

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

  it("narrow a listener's session by its event", () => {
    const made = new FluxbaseClient({ url: "http://x.test", fetch: never, autoRefreshToken: false });
    made.auth
      .onAuthStateChange((event, session, info) => {
        if (event === "SIGNED_IN") expectTypeOf(session).toEqualTypeOf<Session>();
        if (event === "SIGNED_OUT") expectTypeOf(info.reason).toExtend<string>();
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
