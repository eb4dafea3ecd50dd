// Sign in with 2FA
const { requires_2fa } = await client.auth.signIn({ email, password });
if (requires_2fa) {
await client.auth.verify2FACode({ code: "123456" });
}
