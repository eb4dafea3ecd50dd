import { FluxbaseClient } from "@fluxbase/sdk";
const client = new FluxbaseClient({
url: "http://localhost:8080",
});
