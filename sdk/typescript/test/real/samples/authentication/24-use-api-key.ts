// Use API key
const client = new FluxbaseClient({
url: "http://localhost:8080",
apiKey: "your-api-key",
});
