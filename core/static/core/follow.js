// Follows what is under way: asks for its part of the page again until the server says that it is
// over, and never while nobody looks. Without it, reloading shows the same.
const frame = document.querySelector("[data-follow]");
let timer = 0;
let shown = "";
let leaving = false;

const every = () => Number(frame.firstElementChild?.dataset.every);

const show = (html) => {
    const open = [...frame.querySelectorAll("details[open][id]")].map((one) => one.id);
    frame.innerHTML = shown = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
};

const look = async () => {
    if (document.hidden) return;
    try {
        const answer = await fetch(frame.dataset.follow, { redirect: "error" });
        if (answer.status === 403 || answer.status === 404) return;
        const html = answer.ok ? (await answer.text()).trim() : shown;
        if (html !== shown) show(html);
    } catch {
        // The server or the network is away for a moment: ask again.
    }
    // Over: once more as a whole, for the buttons fit its state.
    if (every()) wait();
    else if (!leaving) location.reload();
};

const wait = () => {
    clearTimeout(timer);
    if (every()) timer = setTimeout(look, every());
};

document.addEventListener("visibilitychange", wait);
// Whoever has clicked on something else goes there.
addEventListener("beforeunload", () => (leaving = true));
wait();
