// The page of a running training reads itself again, until somebody clears the box or the training ends.
"use strict";
const again = document.getElementById("again");
again.checked = location.hash !== "#still";
again.disabled = false;
again.addEventListener("change", () => history.replaceState(null, "", again.checked ? location.pathname : "#still"));
setInterval(() => { if (again.checked && !document.hidden) location.reload(); }, 1000 * again.value);
