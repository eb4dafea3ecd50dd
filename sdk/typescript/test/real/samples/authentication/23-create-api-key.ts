// Create API key for server-to-server auth
const { key, id } = await client.auth.createApiKey({
name: "Production API",
expires_in: 86400 * 365,
});
