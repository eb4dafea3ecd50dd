// List sessions
const sessions = await client.auth.listSessions();
// Revoke session
await client.auth.revokeSession(session_id);
// Revoke all other sessions (keep current)
await client.auth.revokeAllSessions({ except_current: true });
