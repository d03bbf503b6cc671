# board, link, models, quality: what knows the boards
