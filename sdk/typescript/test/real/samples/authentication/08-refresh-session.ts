const { session } = await client.auth.refreshSession();
