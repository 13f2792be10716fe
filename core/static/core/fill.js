// A button that puts its own text into the field that it names.
for (const button of document.querySelectorAll("[data-fill]")) {
    button.addEventListener("click", () => {
        const field = document.getElementById(button.dataset.fill);
        field.value = button.textContent;
        field.focus();
    });
}
