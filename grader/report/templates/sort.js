for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const numbers = heading.dataset.numbers !== undefined;
      const compared = (a, b) => {
        const [left, right] = [key(a), key(b)];
        if (!left || !right) return !left - !right;
        const order = numbers ? left - right : left.localeCompare(right);
        return down ? -order : order;
      };
      body.append(...[...body.rows].sort(compared));
    });
  });
}
