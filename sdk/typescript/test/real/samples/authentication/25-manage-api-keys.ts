// Manage keys
const keys = await client.auth.listApiKeys();
await client.auth.revokeApiKey(key_id);
