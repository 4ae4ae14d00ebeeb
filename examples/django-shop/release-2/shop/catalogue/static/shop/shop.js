document.documentElement.dataset.ready = "2";
