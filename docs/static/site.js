// A race begins when its page is opened. This puts a button below it that runs it again.
for (const lanes of document.querySelectorAll('[class^="race"]')) {
  const name = lanes.className;
  const again = document.createElement("button");
  again.className = "again";
  again.textContent = "Run the race again";
  again.onclick = () => {
    lanes.className = "";
    void lanes.offsetWidth; // the browser notices that the animation has gone before it comes back
    lanes.className = name;
  };
  lanes.after(again);
}
