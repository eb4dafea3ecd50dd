// Disable 2FA
await client.auth.disable2FA({ code: "123456" });
