// Copies the secret that the page shows.
const secret = document.getElementById("secret");
const label = document.getElementById("copy");

secret.addEventListener("focus", () => secret.select());
label.closest("button").addEventListener("click", async () => {
    secret.select();
    // Browsers offer the clipboard only on https and on this machine; the old way works on.
    try { await navigator.clipboard.writeText(secret.value); } catch { document.execCommand("copy"); }
    label.textContent = "Copied";
});
