const adminClient = new FluxbaseClient({
url: "http://localhost:8080",
serviceKey: process.env.FLUXBASE_SERVICE_KEY,
});
// Bypasses RLS
const allUsers = await adminClient.from("users").select("*");
