// A page of an application: one client, and everything that it says. The page's address names the server and the key.
import { AuthError, DataError, FluxbaseClient, NetworkError } from "/sdk/index.js";

const asked = new URLSearchParams(location.search);
window.changes = [];
window.violations = [];
window.rejections = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.effectiveDirective));
window.addEventListener("unhandledrejection", (event) => window.rejections.push(String(event.reason)));

window.client = new FluxbaseClient({ url: asked.get("url"), clientKey: asked.get("key") });
window.client.auth.onAuthStateChange((event, session, info) => {
  window.changes.push({ event, session, reason: info.reason });
});
window.caught = async (work) => {
  try {
    await work;
  } catch (thrown) {
    const kind = [AuthError, DataError, NetworkError].find((one) => thrown instanceof one)?.name;
    return { kind, status: thrown.status, code: thrown.code, reason: thrown.reason, requestId: thrown.requestId };
  }
  return null;
};
window.stored = () => localStorage.getItem(`fluxbase.auth.${new URL(asked.get("url")).host}`);
