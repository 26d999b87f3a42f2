import { mount } from "svelte";
import App from "./App.svelte";
import "./fonts.css";
import "./app.css";

const target = document.getElementById("app")!;
// What the server sent stays until there is something to put in its place.
target.replaceChildren();
mount(App, { target });
