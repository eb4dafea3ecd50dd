const subscription = client.auth.onAuthStateChange((event, session) => {
// Events: SIGNED_IN, SIGNED_OUT, TOKEN_REFRESHED, USER_UPDATED
if (event === "SIGNED_IN") {
console.log("User signed in:", session.user);
}
});
subscription.unsubscribe();
