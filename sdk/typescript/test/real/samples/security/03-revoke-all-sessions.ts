// Revoke all sessions for a user
await client.admin.revokeUserSessions(userId);
