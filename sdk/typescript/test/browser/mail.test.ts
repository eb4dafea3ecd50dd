/** "User clicks link in email, automatically signed in": with the real server, its real mail and its own page. */

import { expect, it } from "vitest";
import { mailTo } from "../real/support.js";
import { expectHeard, freshEmail, held, useBrowser, visit } from "./support.js";

useBrowser();

it("a page is signed in, with its other tabs, by a link that is opened on another device", async () => {
  const person = await visit();
  const [one, two] = [await person.tab(), await person.tab()];
  const email = freshEmail();
  await one.evaluate((email) => window.client.auth.sendMagicLink({ email }), email);
  const { link } = await mailTo(email);
  const device = await person.context.browser()?.newContext();
  const page = await device?.newPage();
  await page?.goto(link);
  expect(await held(one)).toBeNull(); // looking at the link does nothing
  await page?.getByRole("button", { name: /sign in|confirm|continue/i }).click();
  for (const tab of [one, two]) await expectHeard(tab, "INITIAL_SESSION", "SIGNED_IN");
  expect((await held(two))?.user.email).toBe(email);
  await device?.close();
});
