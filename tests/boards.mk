# tests of daemon/{board,link,models,quality}
