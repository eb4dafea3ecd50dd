await client.auth.verify2FA({ code: "123456" });
