// Copies the secret that the page shows, in a field or as a list.
const secret = document.getElementById("secret");
const label = document.getElementById("copy");
const select = () => (secret.select ? secret.select() : getSelection().selectAllChildren(secret));

secret.addEventListener("focus", select);
label.closest("button").addEventListener("click", async () => {
    select();
    // Browsers offer the clipboard only on https and on this machine; the old way works on.
    try { await navigator.clipboard.writeText(secret.value ?? secret.innerText); } catch { document.execCommand("copy"); }
    label.textContent = "Copied";
});
