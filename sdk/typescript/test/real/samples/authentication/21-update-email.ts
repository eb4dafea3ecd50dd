// Update email
await client.auth.updateEmail({
email: "newemail@example.com",
password: "current",
});
