// Get current user
const user = await client.auth.getCurrentUser();
