// Confirm reset (after user receives token)
await client.auth.confirmPasswordReset({
token: "reset-token-from-email",
password: "NewSecurePassword123",
});
