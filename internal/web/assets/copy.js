// Copy buttons. The pages work without this script: the buttons stay hidden, and text can be selected.
"use strict";
(() => {
	if (!navigator.clipboard) return; // only where the page came over TLS or from this machine
	const status = document.getElementById("copied");
	for (const button of document.querySelectorAll("button[data-copy]")) {
		button.hidden = false;
		button.addEventListener("click", async () => {
			const source = document.getElementById(button.dataset.copy);
			try {
				await navigator.clipboard.writeText(source.textContent);
			} catch {
				getSelection().selectAllChildren(source);
				status.textContent = "Copying is not allowed here; the text is selected.";
				return;
			}
			status.textContent = "";
			status.textContent = "Copied.";
			const label = button.firstChild, text = label.textContent;
			if (text === "Copied") return;
			label.textContent = "Copied";
			setTimeout(() => { label.textContent = text; }, 1500);
		});
	}
})();
