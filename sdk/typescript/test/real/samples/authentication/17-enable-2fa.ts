// Enable 2FA
const { secret, qr_code } = await client.auth.enable2FA();
