import { afterEach, describe, expect, it } from "vitest";
import { createClient } from "../../src/index.js";
import { Authenticator } from "../support/totp.js";
import { caught } from "../support/unit.js";
import { connect, disposeAll, freshEmail, PASSWORD, refusal, server, signedUp } from "./support.js";

afterEach(disposeAll);

const operator = () => connect({ serviceKey: server.serviceKey }).admin;

/** Somebody with an authenticator. */
async function withFactor() {
  const person = await signedUp();
  const { secret } = await person.client.auth.enable2FA({ name: "phone" });
  await person.client.auth.verify2FA({ code: await new Authenticator(secret).next() });
  return person;
}

describe("an operator", () => {
  it("takes a lost factor away, and the password alone signs in again", async () => {
    const admin = operator();
    const { client, email, user } = await withFactor();
    const { factors, recovery_codes_left, locked } = await admin.listUserFactors(user.id);
    expect([factors.map(({ name }) => name), recovery_codes_left, locked]).toEqual([["phone"], 10, false]);
    expect(await caught(admin.removeUserFactor(user.id, factors[0]?.id ?? "", { reason: "" }))).toMatchObject({
      code: "reason_required",
    });
    expect((await admin.unlockUserFactors(user.id)).failed_attempts).toBe(0);
    const left = await admin.removeUserFactor(user.id, factors[0]?.id ?? "", { reason: "ticket 1" });
    expect([left.factors, left.recovery_codes_left]).toEqual([[], 0]);
    expect(await refusal(() => client.auth.getCurrentUser())).toMatchObject({ reason: "factor_changed" });
    expect((await connect().auth.signIn({ email, password: PASSWORD })).session).not.toBeNull();
    expect(await caught(admin.resetUserFactors(user.id, { reason: "ticket 2" }))).toMatchObject({
      status: 404,
      code: "mfa_factor_not_found",
    });
  });

  it("takes all of them, in both faces", async () => {
    const [one, two] = [await withFactor(), await withFactor()];
    expect((await operator().resetUserFactors(one.user.id, { reason: "ticket 3" })).factors).toEqual([]);
    const results = createClient(server.url, server.serviceKey);
    const { mfa } = results.auth.admin;
    const { data } = await mfa.listFactors({ userId: two.user.id });
    const [factor] = data?.factors ?? [];
    expect(factor).toMatchObject({ friendly_name: "phone", factor_type: "totp", status: "verified" });
    const id = factor?.id ?? "";
    expect(await mfa.deleteFactor({ id, userId: two.user.id })).toEqual({ data: { id }, error: null });
    expect((await mfa.listFactors({ userId: two.user.id })).data?.factors).toEqual([]);
    results.dispose();
  });

  it("acts as a user for a while, and no longer", async () => {
    const admin = operator();
    const { client, user, email } = await signedUp();
    const { session } = await admin.impersonateUser(user.id, { reason: "ticket 4", expires_in: 600 });
    const acting = connect();
    await acting.auth.setSession(session);
    expect((await acting.auth.getCurrentUser())?.email).toBe(email);
    expect(await caught(acting.auth.updateEmail({ email: freshEmail(), password: PASSWORD }))).toMatchObject({
      code: "impersonation_not_allowed",
    });
    await admin.endImpersonation(session.id);
    expect(await refusal(() => acting.auth.getCurrentUser())).toMatchObject({ code: "session_ended" });
    expect((await client.auth.getCurrentUser())?.id).toBe(user.id);

    const results = createClient(server.url, server.serviceKey);
    const { data } = await results.admin.impersonateUser(user.id, { reason: "ticket 5" });
    expect(await results.admin.endImpersonation(data.session?.id ?? "")).toEqual({ data: null, error: null });
    expect((await results.admin.endImpersonation(data.session?.id ?? "")).error?.code).toBe("session_not_found");
    results.dispose();
  });
});
