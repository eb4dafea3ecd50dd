// Update password
await client.auth.updatePassword({
current_password: "OldPassword123",
new_password: "NewPassword123",
});
