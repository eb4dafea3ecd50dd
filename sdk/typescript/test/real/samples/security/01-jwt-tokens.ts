import { createClient } from "@nimbleflux/fluxbase-sdk";
const client = createClient("http://localhost:8080", "your-anon-key");
// Sign in
const { data, error } = await client.auth.signIn({
email: "user@example.com",
password: "password",
});
// Access token (expires in 1 hour)
const accessToken = data.session.access_token;
// Refresh token (expires in 30 days)
const refreshToken = data.session.refresh_token;
